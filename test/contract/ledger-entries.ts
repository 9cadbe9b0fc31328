import { expect, test } from "vitest";
import type { Actor } from "../../src/domain/actor.ts";
import { parseEntryContent } from "../../src/domain/entry-content.ts";
import type { LocalAccounts } from "../../src/domain/local-accounts.ts";
import type { RegistrationEntry } from "../../src/domain/registration-entry.ts";
import { CONFIG, done, GRANT, OPERATOR, present, type World } from "./ledger-world.ts";

const ACCOUNTS: LocalAccounts = {
  users: [{ name: "same", uid: 4001, gid: 4004 }],
  groups: [
    { name: "them", gid: 4004, members: [] },
    { name: "more", gid: 4005, members: ["same"] },
  ],
};

/** What entries, receipts and recorded acts promise. */
export function entriesContract(worldOf: () => World): void {
  const wrong = (field: string) => ({ kind: "denial", code: "INVALID_FIELD", metadata: { field } });
  const entries = async (world: World) => new Map((await world.entries()).map((e) => [e.entryId, e]));

  test("entries of every kind read back just as they were put", async () => {
    const world = worldOf();
    const put = [
      await world.agent({ audiences: ["https://api.example.org"], mayOpen: true }),
      await world.runtime(),
      await world.verifier(),
      await world.enter({ kind: "operator", name: world.name(), selectors: ["unix:uid:0"], role: "admin" }),
    ];
    const known = await entries(world);
    for (const entry of put) expect(known.get(entry.entryId)).toEqual(entry);
  });

  test("an entry is changed only from the revision that it has", async () => {
    const world = worldOf();
    const agent = await world.agent();
    expect(await world.put(agent, 0)).toMatchObject(wrong("revision"));
    expect(await world.put(agent, 2)).toMatchObject(wrong("revision"));
    expect(await world.put({ ...agent, entryId: "entry_new" }, 1)).toMatchObject(wrong("revision"));
    const changed = done(await world.put({ ...agent, disabled: true, revision: 99 }, 1));
    expect(changed.entry).toEqual({ ...agent, disabled: true, revision: 2 });
    expect((await entries(world)).get(agent.entryId)).toEqual(changed.entry);
  });

  test("a kind and a name belong to one entry, until it is removed", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const namesake = world.entryOf(agent.content);
    const other = await world.agent();
    expect(await world.put(namesake)).toMatchObject(wrong("name"));
    expect(await world.put({ ...other, content: agent.content }, 1)).toMatchObject(wrong("name"));
    const retire = { act: "retire-entry", entryId: agent.entryId, by: OPERATOR, now: world.clock.now() } as const;
    expect(await world.ledger.perform(retire)).toMatchObject({ kind: "entry", stepsClosed: 0 });
    expect(await world.ledger.perform(retire)).toMatchObject({ kind: "denial", code: "ENTRY_NOT_FOUND" });
    expect(await world.put(agent, 1)).toMatchObject(wrong("revision"));
    expect(await world.put(namesake)).toMatchObject({ kind: "entry" });
    const known = await entries(world);
    expect(known.has(agent.entryId)).toBe(false);
    expect(known.has(namesake.entryId)).toBe(true);
  });

  test("of an agent and an operator that are given one user at once, one is refused, whoever comes first", async () => {
    const world = worldOf();
    const user = ["unix:uid:4001"];
    const agent = (selectors = user) =>
      world.entryOf(parseEntryContent({ kind: "agent", name: world.name(), ceiling: GRANT, selectors }));
    const operator = (selectors = user) =>
      world.entryOf(parseEntryContent({ kind: "operator", name: world.name(), role: "admin", selectors }));
    const put = (entry: RegistrationEntry, revision = 0) => world.put(entry, revision, [], ACCOUNTS);
    const first = agent();
    expect(await Promise.all([put(first), put(operator())])).toMatchObject([{ kind: "entry" }, wrong("selectors")]);
    // Another agent may share the user.
    expect(await put(agent())).toMatchObject({ kind: "entry" });
    // Compared is what selectors mean: the name of the user, and a group that the user is in.
    for (const selectors of [["unix:user:same"], ["unix:group:them"], ["unix:supplementary_gid:4005"]]) {
      expect(await put(operator(selectors))).toMatchObject(wrong("selectors"));
    }
    // What shared a user before that was compared may still be put out of force, and not into force again.
    const shared = operator();
    expect(await world.put(shared)).toMatchObject({ kind: "entry" });
    expect(await put({ ...shared, disabled: true }, 1)).toMatchObject({ kind: "entry" });
    expect(await put(shared, 2)).toMatchObject(wrong("selectors"));
    // Nor by a change of an entry that was apart before.
    const apart = operator(["unix:uid:4002"]);
    expect(await put(apart)).toMatchObject({ kind: "entry" });
    const { selectors } = first.content;
    expect(await put({ ...apart, content: { ...apart.content, selectors } }, 1)).toMatchObject(wrong("selectors"));
    // Where one user may play every part it is not asked.
    expect(await world.put(operator())).toMatchObject({ kind: "entry" });
  });

  test("an operator puts the last enabled admin neither out of force nor into another role", async () => {
    const world = worldOf();
    const wrongEntry = wrong("entry");
    const operator = (role: "admin" | "viewer") =>
      world.entryOf(
        parseEntryContent({ kind: "operator", name: world.name(), role, selectors: [`unix:user:${world.name()}`] }),
      );
    const by = OPERATOR;
    const put = (entry: RegistrationEntry, expectedRevision: number, actor: Actor = by) =>
      world.ledger.perform({
        act: "put-entry",
        entry,
        expectedRevision,
        closes: [],
        reason: "privilegeWithdrawn",
        by: actor,
        now: world.clock.now(),
      });
    const retire = (entryId: string, actor: Actor = by) =>
      world.ledger.perform({ act: "retire-entry", entryId, by: actor, now: world.clock.now() });
    // The ledger may be one that other tests have worked on.
    for (const { entryId, content } of await world.entries()) {
      if (content.kind === "operator") await retire(entryId, CONFIG);
    }
    const [first, second] = [operator("admin"), operator("admin")];
    await put(first, 0);
    await put(operator("viewer"), 0);
    const viewer = { ...first, content: { ...operator("viewer").content, name: first.content.name } };
    const ends = () => [put({ ...first, disabled: true }, 1), put(viewer, 1), retire(first.entryId)];
    for (const refused of await Promise.all(ends())) expect(refused).toMatchObject(wrongEntry);
    // An admin who is disabled is none that could help.
    await put({ ...second, disabled: true }, 0);
    for (const refused of await Promise.all(ends())) expect(refused).toMatchObject(wrongEntry);
    // Of two that are disabled at once, one stays.
    await put(second, 1);
    expect(
      await Promise.all([put({ ...first, disabled: true }, 1), put({ ...second, disabled: true }, 2)]),
    ).toMatchObject([{ kind: "entry" }, wrongEntry]);
    // What the file says is done.
    expect(await retire(second.entryId, CONFIG)).toMatchObject({ kind: "entry" });
  });

  test("changing an entry closes the steps named, with their descendants, and leaves the others", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const [kept, ended] = [await world.open(agent), await world.open(agent)];
    const child = await world.openChild(await world.agent(), ended);
    const gone = await world.open(agent);
    await world.close(gone);
    const result = done(await world.put(agent, 1, [ended.stepId, gone.stepId, "step_none"]));
    expect(result.stepsClosed).toBe(2);
    expect(result.sequence).toBe(world.ledger.head().sequence);
    for (const step of [ended, child]) {
      expect(await world.step(step.stepId)).toMatchObject({ state: "REVOKED", closeReason: "privilegeWithdrawn" });
    }
    expect((await world.step(kept.stepId)).state).toBe("OPEN");
    expect((await world.step(gone.stepId)).state).toBe("COMPLETED");
  });

  test("disabling or removing an entry closes every step of it, as agent and as opener", async () => {
    const world = worldOf();
    const [agent, runtime] = [await world.agent(), await world.runtime()];
    const own = await world.open(agent);
    const opened = await world.open(agent, { openerEntryId: runtime.entryId });
    const retire = { act: "retire-entry", entryId: runtime.entryId, by: CONFIG, now: world.clock.now() } as const;
    expect(await world.ledger.perform(retire)).toMatchObject({ stepsClosed: 1 });
    expect((await world.step(opened.stepId)).state).toBe("REVOKED");
    expect(await world.put({ ...agent, disabled: true }, 1, "all")).toMatchObject({ stepsClosed: 1 });
    expect((await world.step(own.stepId)).state).toBe("REVOKED");
  });

  test("removing an entry takes back what it was issued itself, beside what its steps hold, and counts both", async () => {
    const world = worldOf();
    const [agent, runtime] = [await world.agent(), await world.runtime()];
    const opened = await world.open(agent, { openerEntryId: runtime.entryId });
    await world.issue(opened);
    const { entryId } = runtime;
    const subject = { kind: "infrastructure", entryId } as const;
    for (let count = 0; count < 2; count += 1) {
      const record = world.record(opened, { kind: "x509-svid", subject, spiffeId: runtime.spiffeId });
      done((await world.ledger.perform(world.issueAct([record], { entryId })))[0]);
    }
    const retire = { act: "retire-entry", entryId, by: CONFIG, now: world.clock.now() } as const;
    expect(await world.ledger.perform(retire)).toMatchObject({ stepsClosed: 1, credentialsRevoked: 3 });
  });

  test("receipts never go back, and what says nothing new is not written", async () => {
    const world = worldOf();
    const [a, b] = [await world.verifier(), await world.verifier()];
    const take = (...receipts: readonly { readonly entryId: string; readonly sequence: number }[]) =>
      world.ledger.perform({ act: "take-receipts", receipts, now: world.clock.now() });
    await take({ entryId: a.entryId, sequence: 5 }, { entryId: b.entryId, sequence: 3 });
    const head = world.ledger.head();
    expect(await take({ entryId: a.entryId, sequence: 4 }, { entryId: b.entryId, sequence: 3 })).toEqual({
      kind: "sequenced",
      sequence: 0,
    });
    expect(world.ledger.head()).toEqual(head);
    // Nor within one act.
    await take(...[3, 4, 2].map((sequence) => ({ entryId: b.entryId, sequence })), { entryId: a.entryId, sequence: 4 });
    const { value } = await world.store.projections.receipts();
    expect(value).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ entryId: a.entryId, sequence: 5 }),
        expect.objectContaining({ entryId: b.entryId, sequence: 4 }),
      ]),
    );
  });

  test("what a verifier signed is kept with its receipt, also when it later signs nothing", async () => {
    const world = worldOf();
    const { entryId, spiffeId } = await world.verifier();
    const at = world.clock.now();
    const signed = { verifier: spiffeId, epoch: "e", sequence: 4, at, key: "ed25519:k", signature: "s" };
    const take = (sequence: number, more: object) =>
      world.ledger.perform({ act: "take-receipts", receipts: [{ entryId, sequence, ...more }], now: at });
    await take(5, { signed });
    await take(6, {});
    const { value } = await world.store.projections.receipts();
    expect(value.find((one) => one.entryId === entryId)).toEqual({ entryId, sequence: 6, at, signed });
  });

  test("the receipts of many verifiers with the longest names fit, each signed", async () => {
    const world = worldOf();
    const { entryId } = await world.verifier();
    const verifier = `spiffe://${"d".repeat(255)}/verifier/${"v".repeat(128)}`;
    const at = world.clock.now();
    const signed = { verifier, epoch: "e".repeat(42), at, key: "k".repeat(51), signature: "s".repeat(86) };
    const receipts = Array.from({ length: 500 }, (_, index) => {
      const sequence = 1_000_000_000_000 + index;
      return { entryId, sequence, signed: { ...signed, sequence } };
    });
    await expect(world.ledger.perform({ act: "take-receipts", receipts, now: at })).resolves.toBeDefined();
  });

  test("receipts of ten thousand verifiers fit", async () => {
    const world = worldOf();
    const { entryId } = await world.verifier();
    const receipts = Array.from({ length: 10_000 }, (_, index) => ({ entryId, sequence: 1_000 + index }));
    expect(await world.ledger.perform({ act: "take-receipts", receipts, now: world.clock.now() })).toMatchObject({
      sequence: world.ledger.head().sequence,
    });
    const taken = (await world.store.projections.receipts()).value.find((one) => one.entryId === entryId);
    expect(present(taken).sequence).toBe(10_999);
  });

  test("an operator's act is on record word for word", async () => {
    const world = worldOf();
    const act = { operation: "confirm-clock", target: "clock", reason: "3.2 s" };
    const now = world.clock.now();
    await world.ledger.perform({ act: "record-operation", ...act, by: OPERATOR, now });
    const [event] = await world.store.history.events({ type: "operator.acted", limit: 1 });
    expect(JSON.parse(Buffer.from(present(event).canonical).toString())).toEqual({
      type: "operator.acted",
      v: 1,
      at: now,
      act: "confirm-clock",
      target: "clock",
      reason: "3.2 s",
      by: OPERATOR,
    });
  });
}
