import { afterEach, beforeEach, expect, test } from "vitest";
import { type AcceptRestorePorts, acceptRestore } from "../../src/authority/accept-restore.ts";
import { openAuthorities } from "../../src/authority/authorities.ts";
import { SIGNING_FAMILIES } from "../../src/authority/lifecycle.ts";
import { createSuspensions } from "../../src/authority/suspensions.ts";
import { BrokerError } from "../../src/domain/errors.ts";
import { parseTrustDomain } from "../../src/domain/spiffe-id.ts";
import type { Ledger } from "../../src/ports/ledger.ts";
import { OPERATOR, ports, type World, worldOf } from "../contract/ledger-world.ts";
import { openMemoryLedger } from "../memory/memory-ledger.ts";
import { memorySigner } from "../memory/memory-signer.ts";

let world: World;
let given: AcceptRestorePorts;
/** The acts that fail, by their name. */
const failing = new Set<string>();
/** What was done, and whether anything could be issued then. */
const done: string[] = [];

beforeEach(async () => {
  const { clock, randomness } = ports();
  const store = await openMemoryLedger({ clock, randomness });
  world = worldOf(store, { clock, randomness });
  const suspensions = createSuspensions(clock);
  const note = (what: string) =>
    void done.push(`${what} ${suspensions.refusal() === undefined ? "open" : "suspended"}`);
  const perform: Ledger["perform"] = async (act) => {
    note(act.act);
    if (failing.has(act.act)) throw new BrokerError("LEDGER_UNAVAILABLE", "the disk is full");
    return store.ledger.perform(act);
  };
  const ledger = { ...store.ledger, perform };
  const signer = memorySigner({ trustDomain: parseTrustDomain("example.org"), randomness });
  const lifetimeSeconds = { "x509-svid": 86_400, "jwt-svid": 86_400, "wit-svid": 86_400, "txn-token": 86_400 };
  const authorities = await openAuthorities({
    ledger,
    projections: store.projections,
    signer,
    clock,
    lifetimeSeconds,
    inForce: () => Promise.resolve(),
    failed: (error) => expect.unreachable(String(error)),
  });
  done.length = 0;
  given = {
    ledger,
    clock,
    random: randomness,
    authorities,
    suspensions,
    inForce: async () => note("in force"),
    trustHead: async () => note("head trusted"),
  };
});
afterEach(async () => {
  failing.clear();
  await world.store.close();
});

test("nothing can be issued from before the epoch begins until the keys are new and the head is trusted", async () => {
  given.suspensions.suspend("rollback", "the ledger went back in time");
  const before = given.authorities.all();
  const step = await world.open(await world.agent());
  const { epoch } = world.ledger.head();
  expect(await acceptRestore("a disk was replaced", OPERATOR, given)).toMatchObject({ stepsClosed: 1 });
  expect(done).toEqual([
    "start-epoch suspended",
    // The epoch itself removed all that there were; now one for each family.
    ...Array.from(SIGNING_FAMILIES, () => "put-authorities suspended"),
    "in force suspended",
    "head trusted suspended",
  ]);
  expect(given.suspensions.refusal()).toBeUndefined();
  expect(world.ledger.head().epoch).not.toBe(epoch);
  expect((await world.step(step.stepId)).state).toBe("REVOKED");
  expect(given.authorities.all().filter((one) => before.includes(one))).toEqual([]);
});

test("an epoch that could not begin leaves everything as it was", async () => {
  failing.add("start-epoch");
  const before = given.authorities.all();
  await expect(acceptRestore("again", OPERATOR, given)).rejects.toMatchObject({ code: "LEDGER_UNAVAILABLE" });
  expect(given.suspensions.refusal()).toBeUndefined();
  expect(given.authorities.all()).toEqual(before);
});

test("keys that could not be replaced keep everything suspended until it is accepted again", async () => {
  const before = given.authorities.all().map(({ authorityId }) => authorityId);
  failing.add("put-authorities");
  await expect(acceptRestore("again", OPERATOR, given)).rejects.toMatchObject({ code: "LEDGER_UNAVAILABLE" });
  expect(given.suspensions.refusal()?.message).toContain("accept it again");
  failing.clear();
  await acceptRestore("again", OPERATOR, given);
  expect(given.suspensions.refusal()).toBeUndefined();
  expect(given.authorities.all().filter(({ authorityId }) => before.includes(authorityId))).toEqual([]);
});
