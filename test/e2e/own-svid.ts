import type { Channel } from "@grpc/grpc-js";
import { SpiffeWorkloadAPI } from "../../src/gen/spiffe/workload/workload_pb.js";
import { createClient } from "../../src/wire/client.ts";
import { pemOf } from "../authority/crl-scene.ts";

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
