import type { Channel } from "@grpc/grpc-js";
import { BrokerError } from "../domain/errors.ts";
import type { NodeReport } from "../domain/node-report.ts";
import { Nodes, SvidStreamKind } from "../gen/stint/v1/nodes_pb.js";
import { createClient } from "../wire/client.ts";
import { encodeNodeReport, NODE_CALLER_KEY } from "../wire/node-message.ts";
import { isUnchanged } from "./local-caller.ts";
import type { KindOfSvids, OwnKeys } from "./own-keys.ts";

/** The end of a stream that does not say why. */
const ENDED = new BrokerError("NOT_SERVING", "the broker ended the stream");

const KINDS = {
  x509: SvidStreamKind.X509,
  wit: SvidStreamKind.WIT,
  secrets: SvidStreamKind.SECRETS,
  "secrets once": SvidStreamKind.SECRETS_ONCE,
} as const satisfies Record<KindOfSvids, SvidStreamKind>;

/** A stream of SVIDs of one process, as the broker and this node serve it together. */
export type SvidStream = {
  /** A message of the process. */
  send(request: Buffer): void;
  readonly responses: AsyncIterable<Buffer>;
  cancel(): void;
};

/**
 * Opens it. Each key is made here, for a process that is looked at anew: what the broker was told of it once must still be
 * so.
 *
 * @param look - the process as it is now; throws BrokerError NO_IDENTITY when it is gone.
 */
export function openNodeSvidStream(
  channel: Channel,
  kind: KindOfSvids,
  report: NodeReport,
  { keys, look }: { readonly keys: OwnKeys; readonly look: () => Promise<NodeReport> },
): SvidStream {
  const client = createClient(Nodes, channel, { securityHeader: "broker.spiffe.io" });
  const call = client.streamSvids({ metadata: { [NODE_CALLER_KEY]: encodeNodeReport(report) } });
  call.send({ message: { case: "open", value: KINDS[kind] } });

  async function sendKeys(count: number): Promise<void> {
    if (!isUnchanged(report, await look())) {
      throw new BrokerError("NO_IDENTITY", "the process has another program or other users than when the stream began");
    }
    for (let made = 0; made < count; made += 1) {
      call.send({ message: { case: "csr", value: await keys.make() } });
    }
  }

  async function* responses(): AsyncGenerator<Buffer> {
    for await (const { message } of call.responses) {
      if (message.case === "keysWanted") await sendKeys(message.value);
      else if (message.case === "response") yield keys.fillIn(kind, message.value);
    }
    throw ENDED;
  }

  return {
    send: (request) => call.send({ message: { case: "request", value: request } }),
    responses: responses(),
    cancel: call.cancel,
  };
}
