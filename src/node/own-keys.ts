import { createPrivateKey, createPublicKey, type JsonWebKey } from "node:crypto";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { anyPack, anyUnpack } from "@bufbuild/protobuf/wkt";
import { pemOf } from "../domain/pem.ts";
import { SecretSchema } from "../gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js";
import { DiscoveryResponseSchema } from "../gen/envoy/service/discovery/v3/discovery_pb.js";
import { WITSVIDResponseSchema, X509SVIDResponseSchema } from "../gen/spiffe/workload/workload_pb.js";
import { certificateRequestOf, generateKey } from "../sdk/runtime/certificate-request.ts";

/** What a process is served SVIDs as: the Workload API's streams, and Envoy's secrets as a stream and once. */
export type KindOfSvids = "x509" | "wit" | "secrets" | "secrets once";

/** Private keys that were made for one stream, and that leave this process for the stream's own process alone. */
export type OwnKeys = {
  /** A new key. @returns its request, PKCS#10, DER */
  make(): Promise<Uint8Array>;
  /** A message in which public keys stand in the places of private ones, with the private ones. */
  fillIn(kind: KindOfSvids, message: Uint8Array): Buffer;
};

/** Above the SVIDs of a stream, each with its next. */
const KEYS_MAX = 256;

export function createOwnKeys(): OwnKeys {
  /** PKCS#8 by SubjectPublicKeyInfo, both DER; those not used for longest first. */
  const keys = new Map<string, Buffer>();

  function privateKeyOf(publicKey: Uint8Array): Buffer {
    const name = Buffer.from(publicKey).toString("base64");
    const key = keys.get(name);
    if (key === undefined) throw new RangeError("an SVID of a key that this node did not make");
    keys.delete(name);
    keys.set(name, key);
    return key;
  }

  return {
    async make() {
      const pair = await generateKey();
      const name = pair.publicKey.export({ type: "spki", format: "der" }).toString("base64");
      keys.set(name, pair.privateKey.export({ type: "pkcs8", format: "der" }));
      for (const oldest of keys.keys()) {
        if (keys.size <= KEYS_MAX) break;
        keys.delete(oldest);
      }
      return certificateRequestOf(pair);
    },
    fillIn(kind, message) {
      if (kind === "x509") return filledSvids(message);
      return kind === "wit" ? filledWitSvids(message) : filledSecrets(message);
    },
  };

  function filledSvids(bytes: Uint8Array): Buffer {
    const message = fromBinary(X509SVIDResponseSchema, bytes);
    for (const svid of message.svids) svid.x509SvidKey = privateKeyOf(svid.x509SvidKey);
    return Buffer.from(toBinary(X509SVIDResponseSchema, message));
  }

  function filledWitSvids(bytes: Uint8Array): Buffer {
    const message = fromBinary(WITSVIDResponseSchema, bytes);
    for (const svid of message.svids) svid.witSvidKey = withPrivateKey(JSON.parse(svid.witSvidKey));
    return Buffer.from(toBinary(WITSVIDResponseSchema, message));
  }

  /** @param publicJwk - with the algorithm that the broker says. */
  function withPrivateKey(publicJwk: JsonWebKey): string {
    const publicKey = createPublicKey({ key: publicJwk, format: "jwk" }).export({ type: "spki", format: "der" });
    const key = createPrivateKey({ key: privateKeyOf(publicKey), format: "der", type: "pkcs8" });
    return JSON.stringify({ ...publicJwk, ...key.export({ format: "jwk" }) });
  }

  function filledSecrets(bytes: Uint8Array): Buffer {
    const message = fromBinary(DiscoveryResponseSchema, bytes);
    message.resources = message.resources.map((resource) => {
      const secret = anyUnpack(resource, SecretSchema);
      const inline = secret?.type.case === "tlsCertificate" ? secret.type.value.privateKey?.specifier : undefined;
      if (secret === undefined || inline?.case !== "inlineBytes") return resource;
      const key = privateKeyOf(bytesInPem(Buffer.from(inline.value).toString()));
      inline.value = Buffer.from(pemOf("PRIVATE KEY", key));
      return anyPack(SecretSchema, create(SecretSchema, secret));
    });
    return Buffer.from(toBinary(DiscoveryResponseSchema, message));
  }
}

/** Of one block, whatever it is called. */
function bytesInPem(text: string): Buffer {
  return Buffer.from(text.replace(/-----[^-]+-----|\s/g, ""), "base64");
}
