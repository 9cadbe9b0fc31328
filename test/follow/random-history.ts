import type { Authority } from "../../src/domain/authority.ts";
import { entrySpiffeId, parseEntryContent } from "../../src/domain/entry-content.ts";
import { isDenial } from "../../src/domain/errors.ts";
import type { RegistrationEntry } from "../../src/domain/registration-entry.ts";
import { parseTrustDomain } from "../../src/domain/spiffe-id.ts";
import type { Step } from "../../src/domain/step.ts";
import { GRANT, OPERATOR, type World } from "../contract/ledger-world.ts";

/** One thing that happens: which, and of how many there are the one that it happens to. */
export type Move = { readonly kind: number; readonly which: number };

/** Acts of every kind, on whatever there is when an act's turn comes; what the ledger refuses changes nothing. */
export function randomHistory(world: World) {
  const { ledger, clock } = world;
  const agents: RegistrationEntry[] = [];
  const verifiers: RegistrationEntry[] = [];
  const authorities: Authority[] = [];
  const steps: Step[] = [];
  const jtis: string[] = [];

  const putAuthority = (authority: Authority) =>
    ledger.perform({ act: "put-authorities", authorities: [authority], now: clock.now() });

  async function change(entry: RegistrationEntry | undefined, own: Partial<RegistrationEntry>): Promise<void> {
    if (entry === undefined) return;
    const changed = await world.put({ ...entry, ...own }, entry.revision, own.disabled === true ? "all" : []);
    if (!isDenial(changed)) agents[agents.indexOf(entry)] = changed.entry;
  }

  async function open(agent: RegistrationEntry | undefined, parent: Step | undefined, which: number): Promise<void> {
    if (agent === undefined) return;
    const own = { ...(which % 2 === 0 ? { leaseSeconds: 60 } : {}), ...(which % 3 === 0 ? { executor: ANY } : {}) };
    const opening = parent === undefined ? world.open(agent, own) : world.openChild(agent, parent, own);
    steps.push(await opening);
  }

  const enterAgent = async () => void agents.push(await world.agent());
  const enterVerifier = async () => void verifiers.push(await world.verifier());
  const openRoot = (which: number) => open(at(agents, which), undefined, which);
  const openChild = (which: number) => open(at(agents, which), at(steps, which), which);

  async function issue(which: number): Promise<void> {
    const step = at(steps, which);
    if (step === undefined) return;
    const record = world.record(step, which % 3 === 0 ? { kind: "x509-svid" } : {});
    if (record.jti !== undefined) jtis.push(record.jti);
    const act = world.issueAct([record], { entryId: step.agentEntryId, executable: `/usr/bin/agent-${which % 2}` });
    await ledger.perform(act);
  }

  async function keep(which: number): Promise<void> {
    const { stepId = "" } = at(steps, which) ?? {};
    await ledger.perform({ act: which % 2 === 0 ? "hold-step" : "renew-step", stepId, now: clock.now() });
  }

  async function close(which: number): Promise<void> {
    const step = at(steps, which);
    if (step !== undefined) await world.close(step, { state: which % 2 === 0 ? "COMPLETED" : "FAILED" });
  }

  async function revokeRun(which: number): Promise<void> {
    const { runId = "none" } = at(steps, which) ?? {};
    await world.close({ kind: "run", runId }, { state: "REVOKED", by: OPERATOR });
  }

  async function revokeCredential(which: number): Promise<void> {
    const credential = { jti: at(jtis, which) ?? "" };
    const reason = "keyCompromise";
    await ledger.perform({ act: "revoke-credential", credential, reason, by: OPERATOR, now: clock.now() });
  }

  const disableOrEnable = (which: number) => change(at(agents, which), { disabled: which % 4 === 0 });

  async function rename(which: number): Promise<void> {
    const selectors = [`unix:uid:${which}`];
    const content = parseEntryContent({ kind: "agent", name: world.name(), selectors, ceiling: GRANT });
    await change(at(agents, which), { content, spiffeId: entrySpiffeId(parseTrustDomain("example.org"), content) });
  }

  async function retire(which: number): Promise<void> {
    const entryId = (which % 2 === 0 ? at(agents, which) : at(verifiers, which))?.entryId ?? "";
    await ledger.perform({ act: "retire-entry", entryId, by: OPERATOR, now: clock.now() });
  }

  async function makeAuthority(): Promise<void> {
    const authority = world.authority({ certificate: new Uint8Array([48, 0]), family: "x509-svid" });
    authorities.push(authority);
    await putAuthority(authority);
  }

  async function changeAuthority(which: number): Promise<void> {
    const authority = at(authorities, which);
    if (authority !== undefined) await putAuthority({ ...authority, state: which % 2 === 0 ? "old" : "removed" });
  }

  async function taint(which: number): Promise<void> {
    const authorityId = at(authorities, which)?.authorityId;
    if (authorityId === undefined) return;
    const taints = { authorityId, reason: "cACompromise", by: OPERATOR } as const;
    await ledger.perform({ act: "put-authorities", authorities: [], taints, now: clock.now() });
  }

  async function takeReceipts(which: number): Promise<void> {
    const entryId = at(verifiers, which)?.entryId;
    if (entryId === undefined) return;
    const receipts = [{ entryId, sequence: ledger.head().sequence }];
    await ledger.perform({ act: "take-receipts", receipts, now: clock.now() });
  }

  /** Seldom: all that is open ends by it. */
  async function startEpoch(which: number): Promise<void> {
    if (which % 50 !== 0) return;
    const epoch = world.id("epoch");
    await ledger.perform({ act: "start-epoch", epoch, reason: "restored", by: OPERATOR, now: clock.now() });
  }

  /** What happens often is there several times. */
  const MOVES: readonly ((which: number) => Promise<unknown>)[] = [
    ...[openRoot, openRoot, openRoot, openRoot, openChild, openChild],
    ...[issue, issue, issue, issue, keep, keep, keep],
    ...[enterAgent, enterVerifier, close, revokeRun, revokeCredential, disableOrEnable, rename, retire],
    ...[makeAuthority, changeAuthority, taint, takeReceipts, startEpoch],
  ];

  return {
    /** Several at once: they come into one group, or into several, in their order. */
    async act(moves: readonly Move[]): Promise<void> {
      if (agents.length === 0) await Promise.all([enterAgent(), enterAgent(), enterAgent()]);
      const acting = moves.map(({ kind, which }) => MOVES[kind % MOVES.length]?.(which).catch(refusedOnly));
      await Promise.all(acting);
    },
  };
}

const ANY = { kind: "any" } as const;

/** `world` throws what the ledger refuses. */
function refusedOnly(thrown: unknown): void {
  if (!(thrown instanceof TypeError && thrown.message.startsWith("refused"))) throw thrown;
}

function at<Value>(list: readonly Value[], which: number): Value | undefined {
  return list[which % Math.max(1, list.length)];
}
