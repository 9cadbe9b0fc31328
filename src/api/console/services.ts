import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { Approvals } from "../../gen/stint/v1/approvals_pb.js";
import { Authorities } from "../../gen/stint/v1/authorities_pb.js";
import { Entries } from "../../gen/stint/v1/entries_pb.js";
import { History } from "../../gen/stint/v1/history_pb.js";
import { Ledger } from "../../gen/stint/v1/ledger_pb.js";
import { Policies } from "../../gen/stint/v1/policies_pb.js";
import { Revocations } from "../../gen/stint/v1/revocations_pb.js";
import { Risk } from "../../gen/stint/v1/risk_pb.js";
import { Status } from "../../gen/stint/v1/status_pb.js";
import { Steps } from "../../gen/stint/v1/steps_pb.js";
import { Tools } from "../../gen/stint/v1/tools_pb.js";

/**
 * What the console calls, and nothing beyond: a page that was taken over can't take a copy of the ledger, register an operator or
 * replace a key.
 */
export const CONSOLE_METHODS: readonly DescMethod[] = [
  ...of(Status, ["get", "follow"]),
  ...of(Steps, ["get", "list", "getTree", "getClosureReceipt"]),
  ...of(History, ["listIssuances", "listSteps", "listDecisions", "listEvents", "listUsage", "listExchanges"]),
  ...of(History, ["listVerifiers", "countRows", "listGrantUse", "tellDescendants", "explain", "lookUp"]),
  ...of(Approvals, ["approve", "refuse", "listCalls", "getCall", "approveCall", "refuseCall"]),
  ...of(Tools, ["list", "get", "accept"]),
  ...of(Entries, ["list", "get"]),
  ...of(Authorities, ["list"]),
  ...of(Risk, ["list"]),
  ...of(Revocations, ["revoke"]),
  ...of(Policies, ["list", "get", "check", "put", "replay", "activate", "schema"]),
  ...of(Ledger, ["get", "getCheckpoint", "prove", "proveConsistency"]),
];

/** What every page asks again and again while it is looked at. */
export const SHARED_METHODS: ReadonlySet<DescMethod> = new Set([
  ...of(History, ["listSteps", "countRows"]),
  ...of(Approvals, ["listCalls"]),
  ...of(Tools, ["list"]),
  ...of(Risk, ["list"]),
]);

function of<Service extends DescService>(
  service: Service,
  names: readonly (keyof Service["method"] & string)[],
): readonly DescMethod[] {
  return service.methods.filter(({ localName }) => (names as readonly string[]).includes(localName));
}
