import type { Channel } from "@grpc/grpc-js";
import { Approvals } from "../../src/gen/stint/v1/approvals_pb.js";
import { JoinTokens } from "../../src/gen/stint/v1/attestation_pb.js";
import { Authorities } from "../../src/gen/stint/v1/authorities_pb.js";
import { Console } from "../../src/gen/stint/v1/console_pb.js";
import { Entries } from "../../src/gen/stint/v1/entries_pb.js";
import { Federation } from "../../src/gen/stint/v1/federation_pb.js";
import { History } from "../../src/gen/stint/v1/history_pb.js";
import { Ledger } from "../../src/gen/stint/v1/ledger_pb.js";
import { Policies } from "../../src/gen/stint/v1/policies_pb.js";
import { Principals } from "../../src/gen/stint/v1/principals_pb.js";
import { Retention } from "../../src/gen/stint/v1/retention_pb.js";
import { Revocations } from "../../src/gen/stint/v1/revocations_pb.js";
import { Risk } from "../../src/gen/stint/v1/risk_pb.js";
import { Steps } from "../../src/gen/stint/v1/steps_pb.js";
import { Tools } from "../../src/gen/stint/v1/tools_pb.js";
import { openChannel } from "../../src/wire/channel.ts";
import { type ClientOf, createClient } from "../../src/wire/client.ts";

/** Every service of the operator socket, as the user that runs the tests. */
export type Operator = {
  readonly channel: Channel;
  readonly steps: ClientOf<typeof Steps>;
  readonly approvals: ClientOf<typeof Approvals>;
  readonly history: ClientOf<typeof History>;
  readonly console: ClientOf<typeof Console>;
  readonly entries: ClientOf<typeof Entries>;
  readonly retention: ClientOf<typeof Retention>;
  readonly revocations: ClientOf<typeof Revocations>;
  readonly ledger: ClientOf<typeof Ledger>;
  readonly authorities: ClientOf<typeof Authorities>;
  readonly federation: ClientOf<typeof Federation>;
  readonly principals: ClientOf<typeof Principals>;
  readonly policies: ClientOf<typeof Policies>;
  readonly joinTokens: ClientOf<typeof JoinTokens>;
  readonly risk: ClientOf<typeof Risk>;
  readonly tools: ClientOf<typeof Tools>;
  [Symbol.dispose](): void;
};

export function operatorOf(socket: string): Operator {
  const channel = openChannel(socket);
  return {
    channel,
    steps: createClient(Steps, channel),
    approvals: createClient(Approvals, channel),
    history: createClient(History, channel),
    console: createClient(Console, channel),
    entries: createClient(Entries, channel),
    revocations: createClient(Revocations, channel),
    retention: createClient(Retention, channel),
    ledger: createClient(Ledger, channel),
    authorities: createClient(Authorities, channel),
    federation: createClient(Federation, channel),
    principals: createClient(Principals, channel),
    policies: createClient(Policies, channel),
    joinTokens: createClient(JoinTokens, channel),
    risk: createClient(Risk, channel),
    tools: createClient(Tools, channel),
    [Symbol.dispose]: () => channel.close(),
  };
}
