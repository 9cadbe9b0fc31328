import { expect, onTestFinished, test } from "vitest";
import type { PolicySet } from "../../src/domain/policy-set.ts";
import { keepPolicyDirectory } from "../../src/policy/policy-directory.ts";
import { done, ports } from "../contract/ledger-world.ts";
import { openMemoryLedger } from "../memory/memory-ledger.ts";
import { OPERATOR } from "../simulation/broker.ts";

const setOf = (name: string): PolicySet => ({
  policies: [{ policyId: name, file: "site.cedar", line: 1, text: "permit(principal, action, resource);" }],
  dataClasses: { ratchet: "run", classes: {} },
});

/** A directory over a real ledger, and an engine that is slow to load what it is told to wait with. */
async function directoryWith(slowly: { readonly waitsFor: Promise<void>; readonly name: string }) {
  const given = ports();
  const store = await openMemoryLedger(given);
  const failures: unknown[] = [];
  /** How often each root is held. */
  const held = new Map<string, number>();
  const engine = {
    async load(root: string, { policies }: PolicySet) {
      if (!held.has(root) && policies[0]?.policyId === slowly.name) await slowly.waitsFor;
      held.set(root, (held.get(root) ?? 0) + 1);
    },
    unload(root: string) {
      const others = (held.get(root) ?? 0) - 1;
      if (others > 0) held.set(root, others);
      else held.delete(root);
    },
  };
  const directory = await keepPolicyDirectory({ ...store, engine, failed: (error) => void failures.push(error) });
  onTestFinished(async () => {
    directory.following.end();
    await store.close();
    expect(failures).toEqual([]);
  });
  const putInForce = async (name: string) =>
    done(
      await store.ledger.perform({
        act: "put-policy-set",
        set: setOf(name),
        origin: "api",
        activates: { reason: "a test" },
        by: OPERATOR,
        now: given.clock.now(),
      }),
    );
  return { directory, held, putInForce };
}

test("a set that is put in force again before the one after it was loaded stays ready to be asked", async () => {
  const loading = Promise.withResolvers<void>();
  const { directory, held, putInForce } = await directoryWith({ waitsFor: loading.promise, name: "large" });
  await putInForce("first");
  const { root } = await directory.inForce();
  await putInForce("large");
  await putInForce("first");
  expect(await directory.inForce()).toMatchObject({ root });
  loading.resolve();
  // Turns of the event loop: whatever follows from the load has followed.
  await new Promise(setImmediate);
  expect([...held]).toContainEqual([root, 1]);
});

test("the sets before stay for what was asked under them a moment ago, and those before these are let go of", async () => {
  const { directory, held, putInForce } = await directoryWith({ waitsFor: Promise.resolve(), name: "large" });
  const roots: string[] = [];
  for (const name of ["first", "large", "third", "fourth"]) {
    await putInForce(name);
    roots.push((await directory.inForce()).root);
  }
  await new Promise(setImmediate);
  expect([...held.keys()].sort()).toEqual(roots.slice(1).sort());
  expect([...held.values()]).toEqual([1, 1, 1]);
});
