import { createHash } from "node:crypto";
import type { Authority } from "../../src/domain/authority.ts";
import type { SvidKind } from "../../src/domain/issuance.ts";
import type { SpiffeId, TrustDomain } from "../../src/domain/spiffe-id.ts";
import { parseSegment, parseSpiffeId, parseTrustDomain, stepSpiffeId } from "../../src/domain/spiffe-id.ts";
import type { Recorded } from "../../src/domain/stages.ts";
import type { Step } from "../../src/domain/step.ts";
import type { UnixMicros, UnixSeconds } from "../../src/domain/time.ts";

/** The public key of RFC 6979 appendix A.2.5 as SubjectPublicKeyInfo: a P-256 key that everyone can check. */
export const P256_SPKI = Buffer.from(
  "3059301306072a8648ce3d020106082a8648ce3d03010703420004" +
    "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6" +
    "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299",
  "hex",
);

export const TRUST_DOMAIN: TrustDomain = parseTrustDomain("example.org");

/** 2026-11-22T10:00:00Z. */
export const NOW = 1_795_341_600 as UnixSeconds;

const agent: SpiffeId = parseSpiffeId("spiffe://example.org/agent/researcher");
const runId = parseSegment("invoice-2026-11", "run_id");
const step = parseSegment("search", "step");
const opener = { bootId: "boot", pidNamespace: "4026531836", pid: 4_711, startTimeTicks: 12_345 };

/** A step as it is when it is issued its first credential. */
export const STEP: Step = {
  stepId: "step_019aab20-5d00-7abc-8def-000000000001",
  runId,
  step,
  attempt: 2,
  agent: parseSegment("researcher", "agent"),
  agentEntryId: "entry_019aab20-5d00-7abc-8def-000000000002",
  openerEntryId: "entry_019aab20-5d00-7abc-8def-000000000003",
  opener,
  executor: { kind: "process", process: opener },
  spiffeId: stepSpiffeId(agent, { runId, step, attempt: 2 }),
  state: "OPEN",
  workflow: "invoice",
  grant: [
    {
      type: "mcp_tool",
      locations: ["https://mcp.example.org/search", "https://mcp.example.org/files"],
      identifier: "search",
      actions: ["read"],
      datatypes: ["internal"],
    },
    {
      type: "mcp_tool",
      locations: ["https://mcp.example.org/files"],
      identifier: "*",
      actions: ["read", "write"],
      datatypes: ["internal", "public"],
    },
  ],
  audiences: ["https://api.example.org"],
  openedAt: (NOW * 1_000_000) as UnixMicros,
  expiresAt: (NOW + 300) as UnixSeconds,
  held: false,
  depth: 0,
  decisionId: "dec_019aab20-5d00-7abc-8def-000000000004",
  openedSequence: 12,
};

/** A draft as it is after its row was written; the cast stands for the ledger. */
export function recordedOf(kind: SvidKind, authority: Authority, toBeSigned: Uint8Array): Recorded {
  const toBeSignedSha256 = createHash("sha256").update(toBeSigned).digest("hex");
  const record = { kind, authorityId: authority.authorityId, toBeSignedSha256 };
  return { record, authority, toBeSigned, sequence: 13 } as unknown as Recorded;
}
