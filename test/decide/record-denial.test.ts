import { beforeEach, describe, expect, test } from "vitest";
import { createDenialRecorder, type DenialRecorder, denyOf, type Refused } from "../../src/decide/record-denial.ts";
import type { Decision } from "../../src/domain/decision.ts";
import { BrokerError } from "../../src/domain/errors.ts";
import type { ProcessIdentity } from "../../src/domain/process.ts";
import type { Selector } from "../../src/domain/selector.ts";
import type { Ledger } from "../../src/ports/ledger.ts";
import { GRANT, ports, type World, worldOf } from "../contract/ledger-world.ts";
import { openMemoryLedger } from "../memory/memory-ledger.ts";

const UID = 1_001;
const LIMIT = 10;

let world: World;
let denials: DenialRecorder;
let isWritable: boolean;
let random: ReturnType<typeof ports>["randomness"];
const failures: unknown[] = [];

beforeEach(async () => {
  const given = ports();
  world = worldOf(await openMemoryLedger(given), given);
  random = given.randomness;
  isWritable = true;
  failures.length = 0;
  const perform: Ledger["perform"] = async (act) => {
    if (!isWritable) throw new BrokerError("LEDGER_UNAVAILABLE", "the disk is full");
    return world.ledger.perform(act);
  };
  denials = createDenialRecorder({
    ledger: { perform },
    clock: world.clock,
    isAgent: (name) => name.startsWith("agent-"),
    failed: (error) => void failures.push(error),
  });
});

const refused = (own: Partial<Refused> = {}): Decision =>
  denyOf(
    {
      act: "open",
      reason: "POLICY_DENIED",
      message: "above the agent's ceiling",
      callerEntryId: "entry_1",
      agent: "agent-a",
      runId: "run",
      step: "step",
      requested: GRANT,
      ...own,
    },
    { clock: world.clock, random },
  );

async function recordMany(count: number, own: Partial<Refused> = {}, uid: number | undefined = UID) {
  const ids: string[] = [];
  for (let number = 0; number < count; number += 1)
    ids.push(await denials.record(refused(own), uid === undefined ? undefined : { uid }));
  return ids;
}

const recorded = () => world.store.history.decisions({ limit: 1_000 });

/** What is on record under each of these ids. */
async function foundBy(ids: readonly string[]) {
  const all = await recorded();
  return ids.map((id) => all.find(({ decisionId }) => decisionId === id));
}

test("a denial by more policies than one event can name is on record all the same, with the first of them", async () => {
  const element = {
    ...GRANT[0],
    locations: Array.from({ length: 12 }, (_, at) => `https://${at}.example/`.padEnd(2_000, "x")),
  };
  const determiningPolicies = ["ceiling:entry_1@4", ...Array.from({ length: 1_000 }, (_, at) => `site.forbids-${at}`)];
  const id = await denials.record(refused({ requested: [element as (typeof GRANT)[number]], determiningPolicies }), {
    uid: UID,
  });
  const [decision] = await recorded();
  expect(failures).toEqual([]);
  expect(decision).toMatchObject({ decisionId: id, requested: [element], refused: [element] });
  expect(decision?.determiningPolicies.slice(0, 2)).toEqual(["ceiling:entry_1@4", "site.forbids-0"]);
  expect(decision?.determiningPolicies.at(-1)).toBe(`more:${1_002 - (decision?.determiningPolicies.length ?? 0)}`);
});

describe("of one caller, agent, act and reason", () => {
  test("the first ten a minute are each on record by the time that they are answered", async () => {
    const ids = await recordMany(LIMIT);
    expect(new Set(ids).size).toBe(LIMIT);
    expect(await recorded()).toHaveLength(LIMIT);
    expect((await foundBy(ids)).every((one) => one?.count === 1)).toBe(true);
  });

  test("those beyond are counted by one decision, whose id each of them was given", async () => {
    const ids = await recordMany(30);
    expect(new Set(ids).size).toBe(LIMIT + 1);
    expect(await recorded()).toHaveLength(LIMIT);
    world.clock.advance(60_000);
    await denials.flush();
    expect(await recorded()).toHaveLength(LIMIT + 1);
    const found = await foundBy(ids);
    expect(found.every((one) => one !== undefined)).toBe(true);
    expect(found.at(-1)).toMatchObject({
      count: 20,
      agent: "agent-a",
      reason: "POLICY_DENIED",
      callerEntryId: "entry_1",
    });
  });

  test("a new minute begins anew", async () => {
    await recordMany(LIMIT);
    world.clock.advance(60_000);
    const ids = await recordMany(LIMIT);
    expect(new Set(ids).size).toBe(LIMIT);
    expect(await recorded()).toHaveLength(2 * LIMIT);
  });

  test("what is counted at a stop is on record before the stop is over", async () => {
    const ids = await recordMany(15);
    await denials.flush();
    expect((await foundBy(ids)).at(-1)).toMatchObject({ count: 5 });
    expect(world.clock.pending()).toBe(0);
  });

  test("the counting decision says of run, step, attempt and grant only what is true of all", async () => {
    await recordMany(LIMIT);
    await recordMany(1, { attempt: 1 });
    await recordMany(1, { attempt: 2, step: "other", requested: [] });
    await denials.flush();
    const counting = (await recorded()).find(({ count }) => count === 2);
    expect(counting).toMatchObject({ runId: "run", requested: [], refused: [] });
    expect(counting).not.toHaveProperty("step");
    expect(counting).not.toHaveProperty("attempt");
  });
});

describe("of a step, the counting decision says", () => {
  const whole = { runId: "run", step: "step", attempt: 1, stepId: "step_1" };

  test("all that is the same for all", async () => {
    await recordMany(LIMIT + 2, whole);
    await denials.flush();
    expect((await recorded()).find(({ count }) => count === 2)).toMatchObject({ ...whole, requested: GRANT });
  });

  test.for([
    { member: "runId", other: "other" },
    { member: "step", other: "other" },
    { member: "attempt", other: 2 },
    { member: "stepId", other: "step_2" },
  ] as const)("not its $member where that differs, or is missing", async ({ member, other }) => {
    await recordMany(LIMIT, whole);
    await recordMany(1, whole);
    await recordMany(1, { ...whole, [member]: other });
    await recordMany(LIMIT + 1, { ...whole, act: "issue" });
    const { [member]: _, ...without } = whole;
    await recordMany(1, { ...whole, [member]: undefined, act: "issue" });
    await denials.flush();
    const counting = (await recorded()).filter(({ count }) => count === 2);
    expect(counting.map(({ act }) => act).sort()).toEqual(["issue", "open"]);
    for (const one of counting) {
      expect(one).toMatchObject(without);
      expect(one).not.toHaveProperty(member);
    }
  });
});

test("as many are told apart as there is room for; then the oldest are counted to their end, and lost is none", async () => {
  await recordMany(LIMIT + 3);
  // One is counted already.
  for (let uid = 1; uid <= 9_999; uid += 1) await denials.record(refused(), { uid: 100_000 + uid });
  expect((await recorded()).every(({ count }) => count === 1)).toBe(true);
  await denials.record(refused(), { uid: 200_000 });
  await expect.poll(async () => (await recorded()).map(({ count }) => count)).toContain(3);
});

describe("are told apart:", () => {
  test.for([
    { what: "agents", own: { agent: "agent-b" } },
    { what: "acts", own: { act: "issue" as const } },
    { what: "reasons", own: { reason: "NOT_ENTITLED" as const } },
    { what: "entries", own: { callerEntryId: "entry_2" } },
    { what: "users", own: {}, uid: UID + 1 },
  ])("$what", async ({ own, uid = UID }) => {
    await recordMany(30);
    const ids = await recordMany(LIMIT, own, uid);
    expect(new Set(ids).size).toBe(LIMIT);
    const found = await foundBy(ids);
    expect(found.every((one) => one?.count === 1)).toBe(true);
    for (const one of found) expect(one).toMatchObject(own);
  });
});

test("a caller is not many by asking for names that no agent has", async () => {
  for (let number = 0; number < 30; number += 1) await recordMany(1, { agent: `invented-${number}` });
  expect(await recorded()).toHaveLength(LIMIT);
  await denials.flush();
  const counting = (await recorded()).find(({ count }) => count === 20);
  expect(counting).toBeDefined();
  expect(counting).not.toHaveProperty("agent");
});

test("a refusal that can't be recorded is told to whoever looks after the broker, and refuses all the same", async () => {
  isWritable = false;
  expect(await denials.record(refused(), { uid: UID })).toMatch(/^dec_/);
  expect(failures).toHaveLength(1);
});

describe("who was refused", () => {
  const SHA256 = "ab".repeat(32);
  const caller = (pid: number, ...groups: readonly string[]) => ({
    uid: UID,
    process: { bootId: "boot", pidNamespace: "4026531836", pid, startTimeTicks: 1 },
    executable: "/opt/agents/secret-project/agent",
    selectors: new Set(["unix:uid:1001", "unix:path:/opt/agents/secret-project/agent", ...groups] as Selector[]),
  });
  let hashed: number[];
  let answer: (process: ProcessIdentity) => Promise<string | undefined>;

  beforeEach(() => {
    hashed = [];
    answer = () => Promise.resolve(SHA256);
    denials = createDenialRecorder({
      ledger: world.ledger,
      clock: world.clock,
      isAgent: () => true,
      executableSha256(process) {
        hashed.push(process.pid);
        return answer(process);
      },
      failed: (error) => void failures.push(error),
    });
  });

  test("is on record by uid, selectors, and the executable's base name and digest, with what the caller was told", async () => {
    await denials.record(refused(), caller(7));
    expect(await recorded()).toMatchObject([
      {
        message: "above the agent's ceiling",
        caller: { uid: UID, executable: "agent", executableSha256: SHA256, selectors: ["unix:uid:1001"] },
      },
    ]);
    expect(JSON.stringify(await recorded())).not.toContain("secret-project");
  });

  test("of those that one decision counts it says what is the same in all", async () => {
    for (let times = 0; times < LIMIT; times += 1) await denials.record(refused(), caller(7));
    await denials.record(refused(), caller(7, "unix:gid:1", "unix:gid:2"));
    await denials.record(refused({ message: "something else" }), caller(8, "unix:gid:2"));
    await denials.flush();
    const counting = (await recorded()).find(({ count }) => count === 2);
    expect(counting?.caller).toEqual({ uid: UID, executable: "agent", selectors: ["unix:gid:2", "unix:uid:1001"] });
    expect(counting).not.toHaveProperty("message");
  });

  test("its executable is read once for a process, and never for a denial that is only counted", async () => {
    for (let times = 0; times < 100; times += 1) await denials.record(refused(), caller(7));
    for (let pid = 100; pid < 200; pid += 1) await denials.record(refused(), caller(pid));
    expect(hashed).toEqual([7]);
  });

  test("a digest that takes too long is left out, and the refusal waits for it no longer than a second", async () => {
    answer = () => new Promise(() => undefined);
    const answered = denials.record(refused(), caller(7));
    await expect.poll(() => hashed).toEqual([7]);
    world.clock.advance(1_000);
    await answered;
    const [decision] = await recorded();
    expect(decision?.caller).toMatchObject({ executable: "agent" });
    expect(decision?.caller).not.toHaveProperty("executableSha256");
  });

  test("takes no more room than there is for it, however many groups it is in and whatever it was told", async () => {
    // Selectors of other attestors may hold what takes six times the room once it is recorded.
    const quoted = Array.from({ length: 100 }, (_, at) => `oidc:issuer:${at}${"\u0001".repeat(40)}`);
    await denials.record(refused({ reason: "NOT_ENTITLED" }), caller(8, ...quoted));
    const [first] = await recorded();
    expect(Buffer.byteLength(JSON.stringify(first?.caller?.selectors))).toBeLessThanOrEqual(2_100);
    const groups = Array.from({ length: 60_000 }, (_, gid) => `unix:supplementary_gid:${gid}`);
    await denials.record(refused({ message: "ü".repeat(10_000) }), caller(7, ...groups));
    const [decision] = await recorded();
    expect(Buffer.byteLength((decision?.caller?.selectors ?? []).join(""))).toBeLessThanOrEqual(2_048);
    expect(Buffer.byteLength(decision?.message ?? "")).toBeLessThanOrEqual(512);
    expect(decision?.message).toMatch(/^ü+…$/);
  });
});
