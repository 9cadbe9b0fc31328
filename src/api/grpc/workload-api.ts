import { createPrivateKey, createPublicKey } from "node:crypto";
import { status } from "@grpc/grpc-js";
import { intermediatesOf } from "../../domain/authority.ts";
import type { RegistrationEntry } from "../../domain/registration-entry.ts";
import type { SpiffeWorkloadAPI } from "../../gen/spiffe/workload/workload_pb.js";
import type { Cancel } from "../../ports/clock.ts";
import type { KeyPair } from "../../ports/key-pairs.ts";
import { processIdentities } from "../../stream/process-identities.ts";
import { hintOf, type SvidIdentity, spiffeIdOf } from "../../stream/svid-identity.ts";
import type { StreamedSvid, SvidStreamPorts } from "../../stream/svid-stream.ts";
import type { HandlersOf } from "../../wire/service-definition.ts";
import { type Endpoint, unary } from "./call.ts";
import { type BundleWriter, entriesOf, foreignBundlesOf, jwksIn, x509BundleIn } from "./federated-messages.ts";
import { svidStreamHandler } from "./svid-stream-handler.ts";
import { type BundlePorts, bundleStream, bundlesOf, jwksOf, x509BundleOf } from "./workload-api-bundles.ts";
import {
  type FetchTokenPorts,
  fetchJwtSvids,
  selectedIdOf,
  type TokenPorts,
  validateJwtSvid,
} from "./workload-api-tokens.ts";

export type WorkloadApiPorts = TokenPorts &
  SvidStreamPorts & {
    /** Whether WIT-SVIDs are served, a profile of the standard that is still incubating. */
    readonly witSvid: boolean;
  };

type Handlers = HandlersOf<typeof SpiffeWorkloadAPI>;

const SERVICE = "SpiffeWorkloadAPI";

/**
 * The SPIFFE Workload API, with all of its profiles.
 *
 * @see SPIFFE Workload API, SPIFFE Workload Endpoint
 */
export function workloadApiHandlers(endpoint: Endpoint, ports: WorkloadApiPorts): Handlers {
  return {
    fetchX509SVID: svidStreamHandler(
      endpoint,
      {
        method: `${SERVICE}.FetchX509SVID`,
        sourceOf: (_request, attested) => processIdentities(attested, "x509-svid", (all) => all, ports),
        messageOf: (svids) => x509SvidsMessageOf(svids, ports),
        onChange: (changed) => onX509Change(changed, ports),
      },
      ports,
    ),
    fetchX509Bundles: bundleStream(
      endpoint,
      `${SERVICE}.FetchX509Bundles`,
      (entries) => ({
        bundles: bundlesOf(x509BundleOf(ports), x509BundleIn, entries, ports),
        crl: [...ports.crls()],
      }),
      ({ bundles, crl }) => [...Object.entries(bundles).flat(), ...crl].map(textOf).join(),
      ports,
    ),
    ...tokenHandlers(endpoint, ports),
    fetchJWTBundles: bundleStream(
      endpoint,
      `${SERVICE}.FetchJWTBundles`,
      (entries) => ({ bundles: jwtBundlesOf(entries, ports) }),
      ({ bundles }) => Object.entries(bundles).flat().map(textOf).join(),
      ports,
    ),
    validateJWTSVID: unary(endpoint, `${SERVICE}.ValidateJWTSVID`, (request, caller, ids) =>
      validateJwtSvid(request, caller, ids, ports),
    ),
    ...(ports.witSvid ? witHandlers(endpoint, ports) : NO_WIT),
  };
}

/** What of it gives a caller tokens of its steps. */
export function tokenHandlers(endpoint: Endpoint, ports: FetchTokenPorts): Pick<Handlers, "fetchJWTSVID"> {
  return {
    fetchJWTSVID: unary(endpoint, `${SERVICE}.FetchJWTSVID`, (request, caller) =>
      fetchJwtSvids(request, caller, ports),
    ),
  };
}

type WitHandlers = Pick<Handlers, "fetchWITSVID" | "fetchWITBundles">;

function witHandlers(endpoint: Endpoint, ports: WorkloadApiPorts): WitHandlers {
  return {
    fetchWITSVID: svidStreamHandler(
      endpoint,
      {
        method: `${SERVICE}.FetchWITSVID`,
        sourceOf({ spiffeId }, attested) {
          const selected = selectedIdOf(spiffeId);
          const isWanted = (one: SvidIdentity) => selected === undefined || spiffeIdOf(one) === selected;
          return processIdentities(attested, "wit-svid", (all) => all.filter(isWanted), ports);
        },
        messageOf: (svids) => ({ svids: svids.map(witSvidOf) }),
        // The message holds no bundle, but a key that leaves the bundle takes its WIT-SVIDs along.
        onChange: ports.onBundleChange,
      },
      ports,
    ),
    fetchWITBundles: bundleStream(
      endpoint,
      `${SERVICE}.FetchWITBundles`,
      (entries) => ({ bundles: bundlesOf(jwksOf("wit-svid", ports), jwksIn("wit-svid"), entries, ports) }),
      ({ bundles }) => Object.entries(bundles).flat().join(),
      ports,
    ),
  };
}

function unimplemented(call: { emit(event: "error", error: object): unknown }): void {
  const details = "the WIT-SVID profile is switched off";
  call.emit("error", Object.assign(new Error(details), { code: status.UNIMPLEMENTED, details }));
}

/** What the standard asks of a server without the profile. SPIFFE Workload API section 7. */
const NO_WIT: WitHandlers = { fetchWITSVID: unimplemented, fetchWITBundles: unimplemented };

function textOf(part: string | Uint8Array): string {
  return typeof part === "string" ? part : Buffer.from(part).toString("base64");
}

/** The JWT bundles for a caller with these entries. */
export function jwtBundlesOf(
  entries: readonly RegistrationEntry[],
  ports: BundlePorts,
): Readonly<Record<string, Uint8Array>> {
  const foreign: BundleWriter<Uint8Array> = (bundle) => Buffer.from(jwksIn("jwt-svid")(bundle));
  return bundlesOf(Buffer.from(jwksOf("jwt-svid", ports)), foreign, entries, ports);
}

/** X.509-SVIDs, with what verifies the SVIDs of others: the CRLs, where they are sent, and foreign bundles. */
export function x509SvidsMessageOf(svids: readonly StreamedSvid[], ports: BundlePorts) {
  const identities = svids.map(({ identity }) => identity);
  return {
    svids: svids.map((svid) => x509SvidOf(svid, ports)),
    crl: [...ports.crls()],
    federatedBundles: foreignBundlesOf(entriesOf(identities, ports), x509BundleIn, ports),
  };
}

/** Calls when the message of `x509SvidsMessageOf` is another though its SVIDs are the same. */
export function onX509Change(changed: () => void, ports: BundlePorts): Cancel {
  const ends = [ports.onBundleChange(changed), ports.onCrlChange(changed), ports.onFederatingChange(changed)];
  return () => {
    for (const end of ends) end();
  };
}

function x509SvidOf({ identity, delivery, key }: StreamedSvid, ports: Pick<WorkloadApiPorts, "authorities">) {
  return {
    spiffeId: delivery.spiffeId,
    // The leaf alone, unless another CA certified the trust domain's CA.
    x509Svid: Buffer.concat([delivery.svid, ...intermediatesOf(delivery.authority)]),
    x509SvidKey: key.privateKey,
    bundle: x509BundleOf(ports),
    hint: hintOf(identity),
  };
}

function witSvidOf({ identity, delivery, key }: StreamedSvid) {
  return {
    spiffeId: delivery.spiffeId,
    witSvid: Buffer.from(delivery.svid).toString("latin1"),
    witSvidKey: jwkOf(key),
    hint: hintOf(identity),
  };
}

function jwkOf({ privateKey, publicKey, isHeldElsewhere }: KeyPair): string {
  const key = isHeldElsewhere
    ? createPublicKey({ key: Buffer.from(publicKey), format: "der", type: "spki" })
    : createPrivateKey({ key: Buffer.from(privateKey), format: "der", type: "pkcs8" });
  return JSON.stringify({ ...key.export({ format: "jwk" }), alg: "ES256" });
}
