import type { Channel } from "@grpc/grpc-js";
import { SpiffeWorkloadAPI } from "../../src/gen/spiffe/workload/workload_pb.js";
import { createClient } from "../../src/wire/client.ts";
import { madeCertificate } from "../api/http/http-peers.ts";
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
