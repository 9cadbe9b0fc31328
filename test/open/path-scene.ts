import { expect, onTestFinished } from "vitest";
import { systemRandomness } from "../../src/adapters/system/system-randomness.ts";
import { attest } from "../../src/attest/attest.ts";
import { type EntryContentInput, parseEntryContent } from "../../src/domain/entry-content.ts";
import type { Denial } from "../../src/domain/errors.ts";
import type { GrantElement } from "../../src/domain/grant.ts";
import type { RegistrationEntry } from "../../src/domain/registration-entry.ts";
import { parseSegment } from "../../src/domain/spiffe-id.ts";
import type { Delivery } from "../../src/domain/stages.ts";
import type { UnixSeconds } from "../../src/domain/time.ts";
import type { SvidWanted } from "../../src/issue/entitle.ts";
import { openAndIssue } from "../../src/open/open-and-issue.ts";
import type { OpenRequest } from "../../src/open/open-request.ts";
import type { CommitSigner } from "../../src/ports/commit-signer.ts";
import type { Ledger } from "../../src/ports/ledger.ts";
import type { LedgerAct } from "../../src/ports/ledger-acts.ts";
import type { PolicyEngine } from "../../src/ports/policy-engine.ts";
import type { Signer } from "../../src/ports/signer.ts";
import { openMemoryLedger } from "../memory/memory-ledger.ts";
import { memorySigner } from "../memory/memory-signer.ts";
import { virtualClock } from "../memory/virtual-clock.ts";
import { OPERATOR, startBroker, TRUST_DOMAIN } from "../simulation/broker.ts";
import { createKernel, type SimulatedProcess } from "../simulation/kernel.ts";

export const SEARCH = "https://mcp.example.org/search";
export const FILES = "https://mcp.example.org/files";
export const MCP = "https://mcp.example.org";
export const READ: GrantElement = {
  type: "mcp_tool",
  locations: [SEARCH],
  identifier: "search",
  actions: ["read"],
  datatypes: ["internal"],
};
export const WRITE: GrantElement = { ...READ, locations: [FILES], identifier: "write", actions: ["write"] };

const AGENT = {
  kind: "agent",
  selectors: ["unix:uid:31"],
  ceiling: [READ, WRITE],
  audiences: [FILES, MCP],
  mayOpen: true,
  allowAnyExecutor: true,
  allowMultipleAudiences: true,
} satisfies Partial<EntryContentInput>;

/**
 * The real paths with an agent that opens for itself, another, a runtime that opens for both, and an operator.
 *
 * @param own - what of the signer is otherwise.
 * @param own.committed - signs what the ledger recorded; absent: the signer is asked for each signature.
 * @param engine - asked about the set of policies that is put in force; closed with the scene, once nobody asks any more.
 */
export async function pathScene(
  { committed, ...own }: Partial<Signer> & { readonly committed?: CommitSigner } = {},
  engine?: PolicyEngine,
) {
  const clock = virtualClock(1_795_341_600 as UnixSeconds);
  const random = systemRandomness();
  const kernel = createKernel();
  const failures: unknown[] = [];
  const failed = (error: unknown) => void failures.push(error);
  /** Called before each act; what it throws, the act fails with. */
  let beforeAct: (act: LedgerAct) => void = () => undefined;
  const store = await openMemoryLedger({
    ...{ clock, randomness: random, failed },
    ...(committed === undefined ? {} : { signer: committed }),
  });
  const perform: Ledger["perform"] = async (act) => {
    beforeAct(act);
    return store.ledger.perform(act);
  };
  const signer = { ...memorySigner({ trustDomain: TRUST_DOMAIN, randomness: random }), ...own };
  let beforeSigning: () => Promise<unknown> = async () => undefined;
  const signSvid: Signer["signSvid"] = async (recorded) => {
    await beforeSigning();
    return signer.signSvid(recorded);
  };
  let runs = 0;
  const ledger = { ...store.ledger, perform };
  const broker = await startBroker({
    store: { ...store, ledger },
    signer: { ...signer, signSvid },
    kernel,
    clock,
    random,
    failed,
    ...(engine === undefined ? {} : { engine }),
  });
  onTestFinished(async () => {
    broker.stop();
    await store.close();
    await engine?.close();
    expect(failures).toEqual([]);
  });

  const enter = async (content: EntryContentInput): Promise<RegistrationEntry> =>
    (await broker.registry.create(parseEntryContent(content), "api", OPERATOR)).entry;
  const entries = {
    researcher: await enter({ ...AGENT, name: "researcher" }),
    writer: await enter({ ...AGENT, name: "writer", selectors: ["unix:uid:32"] }),
    flow: await enter({ kind: "runtime", name: "flow", selectors: ["unix:uid:11"], agents: ["researcher", "writer"] }),
    alice: await enter({ kind: "operator", name: "alice", selectors: ["unix:uid:51"], role: "admin" }),
  };

  const requestOf = (own: Partial<OpenRequest> = {}): OpenRequest => ({
    runId: parseSegment("run", "run_id"),
    step: parseSegment("step", "step"),
    agent: parseSegment("researcher", "agent"),
    grant: [READ],
    audiences: [],
    executor: { kind: "any" },
    allowPartial: false,
    ...own,
  });
  const attested = (by: SimulatedProcess) => attest(by.peer, { attestor: kernel.attestor, entries: broker.entries });

  return {
    clock,
    store,
    broker,
    kernel,
    entries,
    failures,
    runtime: kernel.start(11),
    researcher: kernel.start(31),
    writer: kernel.start(32),
    operator: kernel.start(51),
    enter,
    requestOf,
    attested,
    onAct(listener: (act: LedgerAct) => void): void {
      beforeAct = listener;
    },
    async open(by: SimulatedProcess, own: Partial<OpenRequest> = {}) {
      return (await broker.open(by, requestOf(own))).step;
    },
    /** A step in a run of its own, for audiences alone. */
    async openForAudiences(by: SimulatedProcess, own: Partial<OpenRequest> = {}) {
      runs += 1;
      const runId = parseSegment(`run-${runs}`, "run_id");
      return (await broker.open(by, requestOf({ runId, grant: [], audiences: [MCP, FILES], ...own }))).step;
    },
    /** What happens between the row of a credential and its signature. */
    beforeSigning(happens: () => Promise<unknown>): void {
      beforeSigning = happens;
    },
    openAndIssue: async (by: SimulatedProcess, own: Partial<OpenRequest>, wanted: readonly SvidWanted[]) =>
      openAndIssue(await attested(by), requestOf(own), wanted, broker.ports),
    async issue(by: SimulatedProcess, stepId: string, count = 1): Promise<readonly (Delivery | Denial)[]> {
      const wanted = Array.from({ length: count }, () => ({ kind: "jwt-svid", audiences: [SEARCH] }) as const);
      return broker.issue(by, { stepId, wanted });
    },
  };
}

export function segment(text: string) {
  return parseSegment(text, "step");
}
