import { createPrivateKey, generateKeyPairSync, X509Certificate } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemRandomness } from "../../src/adapters/system/system-randomness.ts";
import { createSuspensions } from "../../src/authority/suspensions.ts";
import { parseEntryContent } from "../../src/domain/entry-content.ts";
import { BrokerError, denial } from "../../src/domain/errors.ts";
import type { RegistrationEntry } from "../../src/domain/registration-entry.ts";
import { selector } from "../../src/domain/selector.ts";
import { parseSegment } from "../../src/domain/spiffe-id.ts";
import type { Step } from "../../src/domain/step.ts";
import { addSeconds, secondsOf, type UnixSeconds } from "../../src/domain/time.ts";
import type { KeyPairs } from "../../src/ports/key-pairs.ts";
import type { Ledger } from "../../src/ports/ledger.ts";
import type { LedgerAct } from "../../src/ports/ledger-acts.ts";
import { hintOf } from "../../src/stream/svid-identity.ts";
import { openSvidStream, type StreamedSvid, type SvidStream } from "../../src/stream/svid-stream.ts";
import { openMemoryLedger } from "../memory/memory-ledger.ts";
import { memorySigner } from "../memory/memory-signer.ts";
import { type VirtualClock, virtualClock } from "../memory/virtual-clock.ts";
import { type Broker, OPERATOR, startBroker, TRUST_DOMAIN } from "../simulation/broker.ts";
import { createKernel, type Kernel, type SimulatedProcess } from "../simulation/kernel.ts";

const START = 1_795_341_600 as UnixSeconds;
const UID = { runtime: 11, agent: 31, both: 41 } as const;
const SECOND = 1_000;

let clock: VirtualClock;
let kernel: Kernel;
let broker: Broker;
let runtime: SimulatedProcess;
let agent: SimulatedProcess;
let entries: Readonly<Record<"worker" | "brief" | "flow", RegistrationEntry>>;
let acts: LedgerAct[];
/** What happens to an act before it comes to the ledger; throws what the ledger would. */
let meddle: (act: LedgerAct) => Promise<void>;
/** What an act is kept waiting by after it was committed. */
let dawdle: (act: LedgerAct) => Promise<void>;
let closers: (() => Promise<void>)[];
let streams: SvidStream[];
let runs = 0;

beforeEach(async () => {
  clock = virtualClock(START);
  kernel = createKernel();
  acts = [];
  meddle = async () => undefined;
  dawdle = async () => undefined;
  closers = [];
  streams = [];
  const random = systemRandomness();
  const store = await openMemoryLedger({ clock, randomness: random });
  const perform: Ledger["perform"] = async (act) => {
    await meddle(act);
    acts.push(act);
    const result = await store.ledger.perform(act);
    await dawdle(act);
    return result;
  };
  broker = await startBroker({
    store: { ...store, ledger: { ...store.ledger, perform } },
    signer: memorySigner({ trustDomain: TRUST_DOMAIN, randomness: random }),
    kernel,
    clock,
    random,
    failed: (error) => expect.unreachable(String(error)),
  });
  closers.push(() => store.close());
  const create = async (content: Parameters<typeof parseEntryContent>[0]) =>
    (await broker.registry.create(parseEntryContent(content), "api", OPERATOR)).entry;
  const element = { type: "mcp_tool", locations: ["*"], identifier: "*", actions: ["read"], datatypes: ["internal"] };
  const ordinary = { kind: "agent", ceiling: [element], allowAnyExecutor: true } as const;
  entries = {
    worker: await create({ ...ordinary, name: "worker", selectors: ["unix:uid:31"] }),
    // Its X.509-SVIDs are shorter than its steps.
    brief: await create({ ...ordinary, name: "brief", selectors: ["unix:uid:31"], x509SvidTtlSeconds: 60 }),
    flow: await create({
      kind: "runtime",
      name: "flow",
      selectors: ["unix:uid:11"],
      agents: ["worker", "brief"],
    }),
  };
  runtime = kernel.start(UID.runtime);
  agent = kernel.start(UID.agent);
});
afterEach(async () => {
  for (const stream of streams) stream.stop();
  broker.stop();
  for (const close of closers) await close();
});

/** Real keys; made at once, so that `settled` is enough to wait for. */
const keyPairs: KeyPairs = {
  async generate() {
    const { publicKey, privateKey } = generateKeyPairSync("ec", {
      namedCurve: "P-256",
      publicKeyEncoding: { type: "spki", format: "der" },
      privateKeyEncoding: { type: "pkcs8", format: "der" },
    });
    return { publicKey: new Uint8Array(publicKey), privateKey: new Uint8Array(privateKey) };
  },
};

/** Everything that follows from what was done has happened: nothing here takes longer than some turns of the event loop. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 40; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

async function pass(seconds: number): Promise<void> {
  clock.advance(seconds * SECOND);
  await settled();
}

type Subscription = {
  readonly deliveries: (readonly StreamedSvid[])[];
  readonly ended: unknown[];
  readonly stream: SvidStream;
  /** Hints of the newest delivery. */
  hints(): readonly string[];
};

async function subscribe(
  to: SimulatedProcess,
  own: Partial<Parameters<Broker["stream"]>[3]> = {},
  kind: "x509-svid" | "wit-svid" = "x509-svid",
): Promise<Subscription> {
  const deliveries: (readonly StreamedSvid[])[] = [];
  const ended: unknown[] = [];
  const sink = {
    deliver: (svids: readonly StreamedSvid[]) => void deliveries.push(svids),
    end: (why: unknown) => void ended.push(why),
  };
  const stream = broker.stream(to, kind, sink, { keyPairs, ...own });
  streams.push(stream);
  await settled();
  return { deliveries, ended, stream, hints: () => (deliveries.at(-1) ?? []).map(({ identity }) => hintOf(identity)) };
}

async function open(
  more: { agent?: string; seconds?: number; executor?: "any"; attempt?: number; runId?: string } = {},
): Promise<Step> {
  runs += 1;
  const { step } = await broker.open(runtime, {
    runId: parseSegment(more.runId ?? `run-${runs}`, "run_id"),
    step: parseSegment("search", "step"),
    agent: parseSegment(more.agent ?? "worker", "agent"),
    grant: [],
    audiences: [],
    executor: more.executor === "any" ? { kind: "any" } : { kind: "pid", pid: agent.peer.pid },
    allowPartial: false,
    expiresAt: addSeconds(secondsOf(clock.now()), more.seconds ?? 300),
    ...(more.attempt === undefined ? {} : { attempt: more.attempt }),
  });
  return step;
}

const close = ({ stepId }: Step) => broker.close(runtime, { stepId, outcome: "COMPLETED", awaitReceiptsMs: 0 });
const batches = () => acts.flatMap((act) => (act.act === "record-issuances" ? [act.items.length] : []));
const noIdentity = expect.objectContaining({ code: "NO_IDENTITY" });
const nameOf = ({ runId, step, attempt }: Step) => `${runId}/${step}/${attempt}`;

describe("a delivery is everything there is", () => {
  test("the first at once: steps oldest first, each with a key of its own that its certificate is for, in one batch", async () => {
    const steps = [await open(), await open(), await open()];
    const { deliveries, hints } = await subscribe(agent);
    expect(deliveries).toHaveLength(1);
    expect(hints()).toEqual(steps.map(nameOf));
    expect(batches()).toEqual([3]);
    for (const { delivery, key, identity } of deliveries[0] ?? []) {
      const certificate = new X509Certificate(delivery.svid);
      const privateKey = createPrivateKey({ key: Buffer.from(key.privateKey), format: "der", type: "pkcs8" });
      expect(certificate.checkPrivateKey(privateKey)).toBe(true);
      expect(certificate.subjectAltName).toBe(`URI:${identity.kind === "step" && identity.step.spiffeId}`);
    }
  });

  test("what a process is beside any step comes last, also when the step opens later", async () => {
    agent = await becomeBoth();
    const { hints } = await subscribe(agent);
    const before = hints();
    const [one, two] = [await open(), await open()];
    await settled();
    expect(before).toEqual(["verifier/beside"]);
    expect(hints()).toEqual([nameOf(one), nameOf(two), "verifier/beside"]);
  });

  test("steps that open in one turn are one delivery and one batch", async () => {
    await open();
    const { deliveries, hints } = await subscribe(agent);
    // Committed together, and yet not answered in the same instant.
    let opened = 0;
    dawdle = async ({ act }) => {
      if (act !== "open-step") return;
      opened += 1;
      for (let hops = opened * 20; hops > 0; hops -= 1) await undefined;
    };
    const steps = await Promise.all([1, 2, 3, 4, 5].map(() => open()));
    await settled();
    expect(deliveries).toHaveLength(2);
    expect(hints().slice(1).toSorted()).toEqual(steps.map(nameOf).toSorted());
    expect(batches()).toEqual([1, 5]);
  });

  test("an SVID that is good is repeated with its key, and nothing is issued for it", async () => {
    await open();
    const { deliveries } = await subscribe(agent);
    await open();
    await settled();
    expect(deliveries[1]?.[0]).toMatchObject({ delivery: deliveries[0]?.[0]?.delivery, key: deliveries[0]?.[0]?.key });
    expect(batches()).toEqual([1, 1]);
  });

  test("a step that any process of the agent may execute is delivered to each of them, another's never", async () => {
    const other = kernel.start(UID.agent);
    const any = await open({ executor: "any" });
    const own = await open();
    const [first, second] = [await subscribe(agent), await subscribe(other)];
    expect(first.hints()).toEqual([any, own].map(nameOf));
    expect(second.hints()).toEqual([nameOf(any)]);
    const later = await open({ executor: "any" });
    await open();
    await settled();
    expect(second.hints()).toEqual([any, later].map(nameOf));
    expect(second.deliveries).toHaveLength(2);
  });

  test("WIT-SVIDs are of steps alone", async () => {
    const { ended } = await subscribe(runtime, {}, "wit-svid");
    expect(ended).toEqual([noIdentity]);
    const step = await open();
    const { deliveries, hints } = await subscribe(agent, {}, "wit-svid");
    expect(hints()).toEqual([nameOf(step)]);
    expect(deliveries[0]?.[0]?.delivery.kind).toBe("wit-svid");
  });

  test("more than 64 open steps of one process: LIMIT_EXCEEDED, before and while it is subscribed", async () => {
    for (let count = 0; count < 64; count += 1) await open({ executor: "any" });
    const { deliveries, ended, hints } = await subscribe(agent);
    expect(hints()).toHaveLength(64);
    const last = await open({ executor: "any" });
    await settled();
    const refused = expect.objectContaining({ code: "LIMIT_EXCEEDED" });
    expect(ended).toEqual([refused]);
    expect(deliveries).toHaveLength(1);
    expect((await subscribe(agent)).ended).toEqual([refused]);
    // Each step's credentials are there all the same, one by one.
    const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const wanted = [{ kind: "wit-svid", publicKey: publicKey.export({ type: "spki", format: "der" }) }] as const;
    expect(await broker.issue(agent, { stepId: last.stepId, wanted })).toMatchObject([{ kind: "wit-svid" }]);
  });
});

/** Another process, which is the agent and a verifier too. */
async function becomeBoth(): Promise<SimulatedProcess> {
  const selectors = [selector("unix:uid", UID.both)];
  await broker.registry.update("agent/worker", { ...entries.worker.content, selectors }, 0, OPERATOR);
  const audiences = ["https://mcp.example"];
  const verifier = parseEntryContent({ kind: "verifier", name: "beside", selectors, audiences });
  await broker.registry.create(verifier, "api", OPERATOR);
  return kernel.start(UID.both);
}

describe("what is lost is gone from the next delivery", () => {
  test("a step that closes, and the rest is repeated", async () => {
    const [one, two] = [await open(), await open()];
    const { deliveries, hints } = await subscribe(agent);
    await close(one);
    await settled();
    expect(hints()).toEqual([nameOf(two)]);
    expect(deliveries[1]?.[0]?.key).toBe(deliveries[0]?.[1]?.key);
    expect(batches()).toEqual([2]);
  });

  test("with the last step the stream ends: NO_IDENTITY, and nothing after it", async () => {
    const step = await open();
    const { deliveries, ended } = await subscribe(agent);
    await close(step);
    await settled();
    expect(ended).toEqual([noIdentity]);
    await open();
    await pass(600);
    expect(deliveries).toHaveLength(1);
    expect(ended).toHaveLength(1);
  });

  test("without waiting for what is to be issued: the disk may be slow", async () => {
    const [one, two] = [await open(), await open()];
    const { deliveries, hints } = await subscribe(agent);
    const disk = Promise.withResolvers<void>();
    meddle = async ({ act }) => {
      if (act === "record-issuances") await disk.promise;
    };
    const [, three] = await Promise.all([close(one), open()]);
    await settled();
    expect(hints()).toEqual([nameOf(two)]);
    disk.resolve();
    await settled();
    expect(hints()).toEqual([two, three].map(nameOf));
    expect(deliveries).toHaveLength(3);
  });

  test("a step superseded by its retry gives way to it in one delivery", async () => {
    const first = await open({ runId: "run-again" });
    const { deliveries, hints } = await subscribe(agent);
    const second = await open({ runId: "run-again", attempt: 2 });
    await settled();
    expect([nameOf(first), nameOf(second)]).toEqual(["run-again/search/1", "run-again/search/2"]);
    expect(hints()).toEqual([nameOf(second)]);
    expect(deliveries).toHaveLength(2);
  });

  test("whose entry is disabled, at once", async () => {
    const { ended } = await subscribe(runtime);
    await broker.registry.disable("runtime/flow", OPERATOR);
    await settled();
    expect(ended).toEqual([noIdentity]);
  });

  test("whose authority is trusted no more: it is issued anew by the next one", async () => {
    await open();
    const { deliveries, stream } = await subscribe(agent);
    await broker.authorities.replaceAll();
    stream.refresh();
    await settled();
    const [before, after] = deliveries.map(([svid]) => svid?.delivery.authority.authorityId);
    expect(after).not.toBe(before);
    expect(after).toBe(broker.authorities.active("x509-svid")?.authorityId);
  });

  test("when the process is gone the stream ends, and its step was abandoned", async () => {
    await open();
    const { ended } = await subscribe(agent);
    kernel.kill(agent);
    await pass(1);
    expect(ended).toEqual([noIdentity]);
  });
});

describe("an SVID is renewed at half of its life", () => {
  /** Randomness whose every byte is this one. */
  const always = (byte: number) => ({ bytes: (count: number) => new Uint8Array(count).fill(byte) });

  test.for([
    { byte: 0, seconds: 135, what: "a twentieth of it sooner" },
    { byte: 255, seconds: 165, what: "a twentieth of it later" },
  ])("at most $what, so that not all come at once", async ({ byte, seconds }) => {
    const random = systemRandomness();
    const jitter = { bytes: (count: number) => (count === 1 ? always(byte) : random).bytes(count) };
    const { deliveries } = await subscribe(runtime, { random: jitter });
    await pass(seconds - 1);
    expect(deliveries).toHaveLength(1);
    await pass(2);
    expect(deliveries).toHaveLength(2);
    const [before, after] = deliveries.map(([svid]) => svid);
    expect(after?.delivery.expiresAt).toBeGreaterThanOrEqual(addSeconds(START, 300 + seconds));
    expect(after?.key.privateKey).not.toEqual(before?.key.privateKey);
    expect(batches()).toEqual([1, 1]);
  });

  test("again and again until its step's end, which none outlives; those issued together are renewed together", async () => {
    const steps = [await open({ agent: "brief" }), await open({ agent: "brief" })];
    const { deliveries, ended } = await subscribe(agent);
    for (let second = 0; second < 299; second += 1) await pass(1);
    const expiries = deliveries.flat().map(({ delivery }) => delivery.expiresAt);
    expect(Math.max(...expiries)).toBe(steps[0]?.expiresAt);
    expect(deliveries.length).toBeGreaterThan(6);
    expect(deliveries.length).toBeLessThan(14);
    expect(batches()).toEqual(deliveries.map(() => 2));
    for (const svids of deliveries) expect(svids).toHaveLength(2);
    await pass(2);
    expect(ended).toEqual([noIdentity]);
  });

  test("but not one that lasts as long as its step, which no other could outlast", async () => {
    await open({ seconds: 100 });
    const { deliveries } = await subscribe(agent);
    for (let second = 0; second < 99; second += 1) await pass(1);
    expect(deliveries).toHaveLength(1);
    expect(batches()).toEqual([1]);
  });

  test("attested anew: a process that is no longer there is not issued to", async () => {
    const { deliveries, ended } = await subscribe(runtime);
    kernel.kill(runtime);
    await pass(170);
    expect(deliveries).toHaveLength(1);
    expect(ended).toEqual([noIdentity]);
  });
});

describe("when it can't be renewed", () => {
  const full = async ({ act }: { readonly act: string }) => {
    if (act === "record-issuances") throw new BrokerError("LEDGER_UNAVAILABLE", "the ledger's disk is full");
  };

  test("what there is stays for as long as it lasts, and is renewed when the disk is free again", async () => {
    agent = await becomeBoth();
    const step = await open({ seconds: 600 });
    const { deliveries, hints, ended } = await subscribe(agent);
    meddle = full;
    await pass(299);
    expect(hints()).toEqual([nameOf(step), "verifier/beside"]);
    expect(deliveries).toHaveLength(1);
    meddle = async () => undefined;
    await pass(5);
    expect(hints()).toEqual([nameOf(step), "verifier/beside"]);
    expect(ended).toEqual([]);
    for (const { delivery } of deliveries.at(-1) ?? []) expect(delivery.expiresAt).toBeGreaterThan(START + 590);
  });

  test("and nothing is left when it is over, the stream ends with the reason", async () => {
    const { ended } = await subscribe(runtime);
    meddle = full;
    await pass(299);
    expect(ended).toEqual([]);
    await pass(1);
    expect(ended).toEqual([expect.objectContaining({ code: "LEDGER_UNAVAILABLE" })]);
  });

  test("a step that opens meanwhile is delivered once it can be issued", async () => {
    const first = await open();
    const { hints, deliveries } = await subscribe(agent);
    meddle = full;
    const second = await open();
    await settled();
    expect(deliveries).toHaveLength(1);
    meddle = async () => undefined;
    await pass(6);
    expect(hints()).toEqual([first, second].map(nameOf));
  });

  test("the first one fails with the reason at once", async () => {
    await open();
    meddle = full;
    expect((await subscribe(agent)).ended).toEqual([expect.objectContaining({ code: "LEDGER_UNAVAILABLE" })]);
  });

  test("while issuing is suspended too", async () => {
    let isSuspended = false;
    const gate = {
      ...createSuspensions(clock),
      refusal: () => (isSuspended ? denial("NOT_SERVING", "the clock is off") : undefined),
    };
    const { deliveries, ended } = await subscribe(runtime, { gate });
    isSuspended = true;
    await pass(200);
    expect(deliveries).toHaveLength(1);
    isSuspended = false;
    await pass(6);
    expect(deliveries).toHaveLength(2);
    expect(ended).toEqual([]);
  });
});

test("a stream that is stopped holds nothing: no timer, and no delivery of what happens later", async () => {
  const pending = clock.pending();
  const { deliveries, ended, stream } = await subscribe(runtime);
  expect(clock.pending()).toBe(pending + 1);
  stream.stop();
  expect(clock.pending()).toBe(pending);
  stream.refresh();
  await broker.registry.disable("runtime/flow", OPERATOR);
  await pass(600);
  expect(deliveries).toHaveLength(1);
  expect(ended).toEqual([]);
});

test("a stream that ends lets go of what it followed", async () => {
  let followed = 0;
  const source = {
    identities: async () => [],
    issue: async () => [],
    follow() {
      followed += 1;
      return () => {
        followed -= 1;
      };
    },
  };
  const ended = Promise.withResolvers<unknown>();
  const sink = { deliver: () => expect.unreachable("nothing to deliver"), end: ended.resolve };
  const ports = { clock, random: systemRandomness(), keyPairs, authorities: broker.authorities };
  openSvidStream(source, sink, ports);
  expect(followed).toBe(1);
  expect(await ended.promise).toEqual(noIdentity);
  expect(followed).toBe(0);
});
