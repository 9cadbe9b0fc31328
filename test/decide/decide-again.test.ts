import { expect, test } from "vitest";
import { createRetries } from "../../src/decide/decide-again.ts";
import { BrokerError } from "../../src/domain/errors.ts";

const outdated = () => new BrokerError("DECISION_OUTDATED", "what the run was granted changed");

test("whoever comes anew waits for those who decide again on the same facts, and for no others", async () => {
  const { untilItStands } = createRetries();
  const decided: string[] = [];
  const again = Promise.withResolvers<void>();
  const isAgain = Promise.withResolvers<void>();
  const slow = untilItStands("below", async (tries, inScopes) => {
    await inScopes(["run:below", "run:above"]);
    if (tries === 1) throw outdated();
    isAgain.resolve();
    await again.promise;
    decided.push("slow");
  });
  await isAgain.promise;
  const come = (run: string) =>
    untilItStands(run, async (_, inScopes) => {
      await inScopes([`run:${run}`]);
      decided.push(run);
    });
  const waiting = come("above");
  await come("elsewhere");
  expect(decided).toEqual(["elsewhere"]);
  again.resolve();
  await Promise.all([slow, waiting]);
  expect(decided).toEqual(["elsewhere", "slow", "above"]);
});

test("turns in several scopes, in whatever order they are named, do not wait for each other for ever", async () => {
  const { untilItStands } = createRetries();
  const acts = [...Array(20).keys()].map((index) =>
    untilItStands("run", async (tries, inScopes) => {
      await inScopes(index % 2 === 0 ? ["run:a", "run:b"] : ["run:b", "run:a"]);
      if (tries < 4) throw outdated();
      return index;
    }),
  );
  expect(await Promise.all(acts)).toHaveLength(20);
});

test("one that fails in its turn holds up none behind it", async () => {
  const { untilItStands } = createRetries();
  const act = (code: "NOT_SERVING" | undefined) =>
    untilItStands("run", async (tries) => {
      if (tries === 1) throw outdated();
      if (code !== undefined) throw new BrokerError(code, "the policy engine has failed");
      return "opened";
    });
  const failing = act("NOT_SERVING");
  const behind = act(undefined);
  await expect(failing).rejects.toMatchObject({ code: "NOT_SERVING" });
  expect(await behind).toBe("opened");
});
