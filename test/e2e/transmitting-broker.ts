import { readFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { createServer, request } from "node:https";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import type { Channel } from "@grpc/grpc-js";
import { SpiffeWorkloadAPI } from "../../src/gen/spiffe/workload/workload_pb.js";
import { createClient } from "../../src/wire/client.ts";
import { type certificateIn, madeCertificate } from "../api/http/http-peers.ts";
import { pemOf } from "../authority/crl-scene.ts";
import type { Daemon } from "../daemon.ts";
import { startOwnDaemon } from "../faults/daemon-scene.ts";

/** A daemon that sends security events to whoever polls, over TLS with this certificate; gone with the test. */
export async function startTransmitter(): Promise<{ readonly daemon: Daemon; readonly certificate: string }> {
  const { certificate, privateKey } = madeCertificate();
  const http = { listen: "127.0.0.1:0", tls: { certificate, private_key: privateKey } };
  return { daemon: await startOwnDaemon({ config: { http, ssf: { transmit: true } } }), certificate };
}

/** The X.509-SVID of the verifier `mcp-1`, which this process is. */
export async function ownSvid(channel: Channel): Promise<{ readonly cert: string; readonly key: string }> {
  const stream = createClient(SpiffeWorkloadAPI, channel).fetchX509SVID({});
  for await (const { svids } of stream) {
    const svid = svids.find(({ spiffeId }) => spiffeId === "spiffe://example.org/verifier/mcp-1");
    if (svid === undefined) break;
    return { cert: pemOf("CERTIFICATE", svid.x509Svid), key: pemOf("PRIVATE KEY", svid.x509SvidKey) };
  }
  throw new Error("this process is no verifier");
}

/** A receiver that takes whatever it is sent. */
export async function eventReceiver({ certificate, privateKey }: ReturnType<typeof certificateIn>) {
  const taken: string[] = [];
  const server = createServer(
    { cert: readFileSync(certificate), key: readFileSync(privateKey) },
    (question, response) => {
      void text(question).then((token) => {
        taken.push(token);
        response.writeHead(202).end();
      });
    },
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    taken,
    roots: certificate,
    close: () => void server.close(),
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}/events`,
  };
}

type Sent = { readonly status: number | undefined; readonly body: string };

export function send(
  daemon: Daemon,
  path: string,
  given: { readonly body?: string; readonly type?: string; readonly client?: object } = {},
): Promise<Sent> {
  const { body, type = "application/json", client = {} } = given;
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { "content-type": type, "content-length": Buffer.byteLength(body) };
    const options = { method: body === undefined ? "GET" : "POST", agent: false, rejectUnauthorized: false, headers };
    const sent = request(`${daemon.httpUrl}${path}`, { ...options, ...client }, (answer: IncomingMessage) => {
      text(answer).then((said) => resolve({ status: answer.statusCode, body: said }), reject);
    });
    sent.on("error", reject);
    sent.end(body);
  });
}
