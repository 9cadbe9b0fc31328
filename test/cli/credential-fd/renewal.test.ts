import { once } from "node:events";
import { decodeJwt } from "jose";
import { expect, test } from "vitest";
import { startDaemon } from "../../daemon.ts";
import { ENTRIES, FIRST, GRANT, type Line, type Running, run, start } from "./scene.ts";

/** Some lives of a token, on a machine that has other things to do. */
const TEST_MS_MAX = 120_000;
const FLAGS = ["--grant", GRANT, "--audience", FIRST];
/** Each line as it comes, and then that there are no more. */
const READ = `while IFS= read -r line; do printf '%s\\n' "$line"; done <&"$STINT_CREDENTIAL_FD"; echo over`;

async function said(ran: Running, text: string): Promise<void> {
  while (!ran.err().includes(text)) await once(ran.child.stderr as NodeJS.ReadableStream, "data");
}

test("a token is followed by another before it expires, and a broker that is away for a while is said once and survived", {
  timeout: TEST_MS_MAX,
}, async () => {
  const first = await startDaemon({ entries: ENTRIES });
  const ran = run(first.workloadSocket, ["bash", "-c", READ], { step: "renewed", agent: "brief", flags: FLAGS });
  const [old = "", next = ""] = await ran.lines(2);
  const [a, b] = [JSON.parse(old) as Line, JSON.parse(next) as Line];
  const [before, after] = [decodeJwt(a.token), decodeJwt(b.token)];
  expect(b.audience).toBe(FIRST);
  expect(after.sub).toBe(before.sub);
  expect(after.jti).not.toBe(before.jti);

  const sent = ran.out();
  await first.stop();
  await said(ran, "no new token");
  await using _ = await first.restart();
  await ran.lines(sent.split("\n").length);
  expect(ran.err()).toMatch(
    new RegExp(
      `^stint: no new token for ${FIRST}: (UNREACHABLE|NOT_SERVING): [^\\n]*; the last one expires at [^\\n]*Z, and the broker is asked again until there is one\\n$`,
    ),
  );
  ran.child.kill("SIGTERM");
  await ran.exited;
});

test("a command that does not read holds up no renewal, and finds all that was sent once it reads, the newest last", {
  timeout: TEST_MS_MAX,
}, async () => {
  await using daemon = await startDaemon({ entries: ENTRIES });
  const late = `IFS= read -r go; head -n 3 "/dev/fd/$STINT_CREDENTIAL_FD"`;
  const ran = run(daemon.workloadSocket, ["bash", "-c", late], { step: "late", agent: "brief", flags: FLAGS });
  const issued = async () => {
    const list = ["--operator-socket", daemon.operatorSocket, "-o", "jsonl", "history", "issuances", "--run", "r"];
    const listing = start(list);
    await listing.exited;
    return listing.out().split("\n").length - 1;
  };
  while ((await issued()) < 3);
  ran.child.stdin?.end("go\n");
  expect([await ran.exited, ran.err()]).toEqual([0, ""]);
  const times = ran
    .out()
    .trimEnd()
    .split("\n")
    .map((line) => (JSON.parse(line) as Line).expires_at);
  expect(times).toHaveLength(3);
  expect(times).toEqual(times.toSorted());
});

test("a token that lasts as long as its step is the last one", { timeout: TEST_MS_MAX }, async () => {
  await using daemon = await startDaemon({ entries: ENTRIES });
  const flags = [...FLAGS, "--expires-in", "15s", "--on-end", "ignore"];
  const ran = run(daemon.workloadSocket, ["bash", "-c", READ], { step: "short", flags });
  expect(await ran.exited).toBe(1);
  const [line = "", ...rest] = ran.out().trimEnd().split("\n");
  expect(JSON.parse(line)).toMatchObject({ audience: FIRST });
  expect(rest).toEqual(["over"]);
  expect(ran.err()).toContain("the step is EXPIRED");
  expect(ran.err()).not.toContain("no new token");
});
