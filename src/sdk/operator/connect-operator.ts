import { Approvals } from "../../gen/stint/v1/approvals_pb.js";
import { JoinTokens } from "../../gen/stint/v1/attestation_pb.js";
import { Authorities } from "../../gen/stint/v1/authorities_pb.js";
import { Console } from "../../gen/stint/v1/console_pb.js";
import { Entries } from "../../gen/stint/v1/entries_pb.js";
import { Federation } from "../../gen/stint/v1/federation_pb.js";
import { History } from "../../gen/stint/v1/history_pb.js";
import { Ledger } from "../../gen/stint/v1/ledger_pb.js";
import { Policies } from "../../gen/stint/v1/policies_pb.js";
import { Principals } from "../../gen/stint/v1/principals_pb.js";
import { Retention } from "../../gen/stint/v1/retention_pb.js";
import { Revocations } from "../../gen/stint/v1/revocations_pb.js";
import { Risk } from "../../gen/stint/v1/risk_pb.js";
import { Status } from "../../gen/stint/v1/status_pb.js";
import { Steps } from "../../gen/stint/v1/steps_pb.js";
import { Tools } from "../../gen/stint/v1/tools_pb.js";
import { openChannel } from "../../wire/channel.ts";
import { type ClientOf, createClient } from "../../wire/client.ts";
import { OPERATOR_SOCKET_DEFAULT, OPERATOR_SOCKET_VARIABLE } from "./operator-socket.ts";

/** Longer than any fsync or history page; a broker that takes longer is not there. */
const CALL_MS_MAX = 30_000;

export type OperatorOptions = {
  /** Path of the operator socket; absent: `STINT_OPERATOR_SOCKET`, or `/run/stint/operator.sock`. */
  readonly socket?: string | undefined;
  /** How long a call may take that says nothing of it; absent: 30 s. */
  readonly deadlineMs?: number | undefined;
};

/** The broker as its operators see it: each service by its methods, which throw `CallError`. */
export type Operator = {
  readonly console: ClientOf<typeof Console>;
  readonly entries: ClientOf<typeof Entries>;
  readonly history: ClientOf<typeof History>;
  readonly steps: Pick<ClientOf<typeof Steps>, "get" | "getClosureReceipt" | "getTree" | "list" | "watchClosure">;
  readonly approvals: ClientOf<typeof Approvals>;
  readonly revocations: Pick<ClientOf<typeof Revocations>, "revoke">;
  readonly ledger: ClientOf<typeof Ledger>;
  readonly authorities: ClientOf<typeof Authorities>;
  readonly federation: ClientOf<typeof Federation>;
  readonly principals: ClientOf<typeof Principals>;
  readonly joinTokens: ClientOf<typeof JoinTokens>;
  readonly risk: ClientOf<typeof Risk>;
  readonly policies: ClientOf<typeof Policies>;
  readonly tools: Pick<ClientOf<typeof Tools>, "list" | "get" | "accept" | "forget">;
  readonly retention: ClientOf<typeof Retention>;
  readonly status: ClientOf<typeof Status>;
  /** Ends the connection and all that is under way on it. */
  close(): void;
};

/**
 * Connects to the operator socket, on the first call. The kernel tells the broker which user calls, and so what the
 * caller may do.
 *
 * @throws BrokerError INVALID_FIELD when the socket is no path
 */
export function connectOperator(options: OperatorOptions = {}): Operator {
  const channel = openChannel(options.socket ?? process.env[OPERATOR_SOCKET_VARIABLE] ?? OPERATOR_SOCKET_DEFAULT);
  const terms = { deadlineMs: options.deadlineMs ?? CALL_MS_MAX };
  return {
    console: createClient(Console, channel, terms),
    entries: createClient(Entries, channel, terms),
    history: createClient(History, channel, terms),
    steps: createClient(Steps, channel, terms),
    approvals: createClient(Approvals, channel, terms),
    revocations: createClient(Revocations, channel, terms),
    ledger: createClient(Ledger, channel, terms),
    authorities: createClient(Authorities, channel, terms),
    federation: createClient(Federation, channel, terms),
    principals: createClient(Principals, channel, terms),
    joinTokens: createClient(JoinTokens, channel, terms),
    risk: createClient(Risk, channel, terms),
    policies: createClient(Policies, channel, terms),
    tools: createClient(Tools, channel, terms),
    retention: createClient(Retention, channel, terms),
    status: createClient(Status, channel, terms),
    close: () => channel.close(),
  };
}
