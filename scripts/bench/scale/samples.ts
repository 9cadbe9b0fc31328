import { randomBytes } from "node:crypto";
import { entrySpiffeId, parseEntryContent } from "../../../src/domain/entry-content.ts";
import { ID_RANDOM_BYTES, newId } from "../../../src/domain/ids.ts";
import { parseSegment, parseTrustDomain, stepSpiffeId } from "../../../src/domain/spiffe-id.ts";
import type { OpenedStep } from "../../../src/domain/step.ts";
import { addSeconds, secondsOf, type UnixMicros, type UnixSeconds } from "../../../src/domain/time.ts";
import type { DenyEntry } from "../../../src/ports/ledger-reads.ts";

/** 2026-11-22T10:00:00Z. */
export const START = 1_795_341_600_000_000 as UnixMicros;

const SERVER = "https://mcp.example.org/search";
const GRANT = [
  {
    type: "mcp_tool" as const,
    locations: [SERVER],
    identifier: "search",
    actions: ["read" as const],
    datatypes: ["internal"],
  },
];
const AGENT = parseEntryContent({
  kind: "agent",
  name: "researcher",
  selectors: ["unix:user:flow"],
  ceiling: GRANT,
});
const AGENT_ID = entrySpiffeId(parseTrustDomain("example.org"), AGENT);
const [AGENT_ENTRY, RUNTIME_ENTRY] = [idOf("entry"), idOf("entry")];
const BOOT_ID = "0b7f3c1e-6d0e-4f0e-9c3b-0f4a5b6c7d8e";

function idOf(kind: "step" | "entry" | "decision"): string {
  return newId(kind, START, randomBytes(ID_RANDOM_BYTES));
}

/** A step as a follower is given it: read from an event's text, so that it shares nothing with another. */
export function sampleStep(number: number, stepsPerProcess = 1): OpenedStep {
  const name = {
    runId: parseSegment(`report-${Math.floor(number / 8)}`, "run"),
    step: parseSegment(`search-${number % 8}`, "step"),
    attempt: 1,
  };
  const pid = 10_000 + Math.floor(number / stepsPerProcess);
  const process = { bootId: BOOT_ID, pidNamespace: "4026531836", pid, startTimeTicks: pid };
  const step: OpenedStep = {
    stepId: idOf("step"),
    ...name,
    agent: AGENT.name,
    agentEntryId: AGENT_ENTRY,
    openerEntryId: RUNTIME_ENTRY,
    opener: process,
    executor: { kind: "process", process },
    spiffeId: stepSpiffeId(AGENT_ID, name),
    grant: GRANT,
    audiences: [],
    openedAt: START,
    expiresAt: addSeconds(secondsOf(START), 900),
    depth: 0,
    decisionId: idOf("decision"),
  };
  return JSON.parse(JSON.stringify(step)) as OpenedStep;
}

/** A step that ended with a token of one server, as the feed tells it. */
export function sampleDenial(sequence: number, latestExpiry: UnixSeconds): DenyEntry {
  const { stepId, spiffeId } = sampleStep(sequence);
  return {
    sequence,
    reason: "cessationOfOperation",
    state: "COMPLETED",
    deniedAt: START,
    latestExpiry,
    audiences: [SERVER],
    concernsAll: false,
    runEntryId: RUNTIME_ENTRY,
    subject: { kind: "step", stepId, spiffeId },
  };
}
