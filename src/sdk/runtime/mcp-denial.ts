import { type Grant, parseGrant } from "../../domain/grant.ts";
import { isReason } from "../../domain/recorded-reason.ts";
import type { JsonObject } from "../../domain/strict-json.ts";

/** What a guarded server says of a call that a step may not make, beside the reason. */
export type McpDenial = {
  /** By which an operator finds out more, where the broker itself has denied the call. */
  readonly decisionId?: string;
  /** What the call would have taken. */
  readonly refused?: Grant;
  /** The role that may approve the call; absent where approving can't help, or the server does not say. */
  readonly approval?: string;
  /** By which somebody approves the call, where it waits for that: the same call, made again, passes once then. */
  readonly approvalId?: string;
  /** When nobody can any more; absent where the server's answer has no room for it. */
  readonly approvalUntil?: Date;
  /**
   * Why an approver has refused the call, in that person's words, for a person or an agent to read: 1 to 1,024 bytes without
   * control characters, and the server's claim like all else here. Ends with `…` where the client kept only a part.
   */
  readonly approverReason?: string;
};

const ID = /^[A-Za-z0-9_-]{1,128}$/;
/** Behind the message of a challenge: `(refused: <tool> at <uris> to <actions> of <classes>; decision: <id>; approval: <role>)`, and more such parts. */
const DESCRIBED = / \(((?:refused|decision|approval): [^()"\\]*)\)$/;
const REFUSED = /^refused: (\S+) at (\S+) to (\S+) of (\S+)$/;

/** Out of a JSON-RPC error's `data`. What is not as it should be is left out. */
export function denialOfData({ refused, approval, ...data }: JsonObject): McpDenial {
  const { decision_id: decisionId, approval_id: approvalId, approval_until: until, approver_reason: reason } = data;
  return {
    ...named("decisionId", decisionId),
    ...grantOf(refused),
    ...named("approval", approval),
    ...named("approvalId", approvalId),
    ...untilOf(until),
    ...approverReasonOf(reason),
  };
}

const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;

function untilOf(until: unknown): McpDenial {
  const instant = typeof until === "string" && INSTANT.test(until) ? new Date(until) : undefined;
  return instant === undefined || Number.isNaN(instant.valueOf()) ? {} : { approvalUntil: instant };
}

/** Out of a challenge's description, which has the same. */
export function denialOfDescription(description: string): McpDenial {
  const parts = DESCRIBED.exec(description)?.[1]?.split("; ") ?? [];
  const told = (name: string) => parts.find((part) => part.startsWith(`${name}: `))?.slice(name.length + 2);
  const [, identifier, locations = "", actions = "", datatypes = ""] = REFUSED.exec(parts[0] ?? "") ?? [];
  const lists = { locations: locations.split(","), actions: actions.split(","), datatypes: datatypes.split(",") };
  return {
    ...named("decisionId", told("decision")),
    ...(identifier === undefined ? {} : grantOf([{ type: "mcp_tool", identifier, ...lists }])),
    ...named("approval", told("approval")),
    ...named("approvalId", told("approval-id")),
    ...approverReasonOf(percentDecoded(told("approver-reason"))),
  };
}

function percentDecoded(text: string | undefined): string | undefined {
  try {
    return text === undefined ? undefined : decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

function approverReasonOf(reason: unknown): McpDenial {
  return typeof reason === "string" && isReason(reason) ? { approverReason: reason } : {};
}

function named(member: "decisionId" | "approval" | "approvalId", value: unknown): McpDenial {
  return typeof value === "string" && ID.test(value) ? { [member]: value } : {};
}

function grantOf(refused: unknown): McpDenial {
  try {
    return refused === undefined ? {} : { refused: parseGrant(refused, { ceiling: false }) };
  } catch {
    // A server may be newer, or say what is no grant at all; the reason holds without it.
    return {};
  }
}
