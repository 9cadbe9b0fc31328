import { expect, onTestFinished, test } from "vitest";
import { introspect } from "../../src/audit/introspect.ts";
import { createSuspensions } from "../../src/authority/suspensions.ts";
import type { VerifierEntry } from "../../src/domain/registration-entry.ts";
import type { UnixSeconds } from "../../src/domain/time.ts";
import type { Ledger } from "../../src/ports/ledger.ts";
import { ports, worldOf } from "../contract/ledger-world.ts";
import { openMemoryLedger } from "../memory/memory-ledger.ts";
import { memorySigner } from "../memory/memory-signer.ts";
import { type Broker, startBroker, TRUST_DOMAIN } from "../simulation/broker.ts";
import { createKernel } from "../simulation/kernel.ts";
import { crlScene } from "./crl-scene.ts";

test.for([
  { cause: "rollback", isDoubted: true },
  { cause: "restore", isDoubted: true },
  { cause: "clock", isDoubted: false },
] as const)("suspended by $cause, the ledger is doubted: $isDoubted", ({ cause, isDoubted }) => {
  const suspensions = createSuspensions(ports().clock);
  expect(suspensions.ledgerIsDoubted()).toBe(false);
  suspensions.suspend(cause, "why");
  expect(suspensions.ledgerIsDoubted()).toBe(isDoubted);
  suspensions.lift(cause);
  expect(suspensions.ledgerIsDoubted()).toBe(false);
});

test("while a restore is being accepted the ledger is doubted in every act, and no longer when that is done", async () => {
  const { clock, randomness } = ports();
  const store = await openMemoryLedger({ clock, randomness });
  onTestFinished(() => store.close());
  const doubted: string[] = [];
  let broker: Broker | undefined;
  const perform: Ledger["perform"] = async (act) => {
    doubted.push(`${act.act} ${broker?.suspensions.ledgerIsDoubted() ?? "at the start"}`);
    return store.ledger.perform(act);
  };
  broker = await startBroker({
    store: { ...store, ledger: { ...store.ledger, perform } },
    signer: memorySigner({ trustDomain: TRUST_DOMAIN, randomness }),
    kernel: createKernel(),
    clock,
    random: randomness,
    failed: (error) => expect.unreachable(String(error)),
  });
  onTestFinished(() => broker?.stop());
  doubted.length = 0;
  await broker.acceptRestore();
  expect(doubted[0]).toBe("start-epoch true");
  expect(doubted).toContain("put-authorities true");
  expect(doubted.filter((one) => !one.endsWith(" true"))).toEqual([]);
  expect(broker.suspensions.ledgerIsDoubted()).toBe(false);
});

test("while a restore is being accepted no verifier is told that a token holds, nor that it does not", async () => {
  const { clock, randomness } = ports();
  const store = await openMemoryLedger({ clock, randomness });
  onTestFinished(() => store.close());
  const verifier = (await worldOf(store, { clock, randomness }).verifier()) as VerifierEntry;
  const suspensions = createSuspensions(clock);
  const { ledgerIsDoubted } = suspensions;
  const ask = () =>
    introspect("not a token", verifier, {
      credentials: store.credentials,
      bundles: () => new Map(),
      ledgerIsDoubted,
      clock,
    });
  suspensions.suspend("restore", "it is being accepted");
  await expect(ask()).rejects.toMatchObject({ code: "NOT_SERVING" });
  suspensions.lift("restore");
  expect(await ask()).toEqual({ active: false });
});

test("while a restore is being accepted no CRL is published", async () => {
  const scene = await crlScene(1_795_341_600 as UnixSeconds);
  const suspensions = createSuspensions(scene.clock);
  await scene.addAuthority();
  suspensions.suspend("restore", "it is being accepted");
  const crls = await scene.keep({ ledgerIsDoubted: suspensions.ledgerIsDoubted });
  expect(crls.current()).toEqual([]);
  suspensions.lift("restore");
  scene.clock.advance(1_000);
  await new Promise<void>((resolve) => crls.onChange(resolve));
  expect(crls.current()).toHaveLength(1);
});
