import type { handleServerStreamingCall } from "@grpc/grpc-js";
import { isPublished, x509RootsOf } from "../../domain/authority.ts";
import { ecJwkOf } from "../../domain/public-key.ts";
import type { RegistrationEntry } from "../../domain/registration-entry.ts";
import { type TrustDomain, trustDomainId } from "../../domain/spiffe-id.ts";
import type { Cancel } from "../../ports/clock.ts";
import type { AuthorityDirectory } from "../../ports/directories.ts";
import type { Received } from "../../wire/service-definition.ts";
import { receivedMessage } from "../../wire/service-definition.ts";
import { serviceErrorOf } from "../../wire/service-error.ts";
import { begin, type Endpoint } from "./call.ts";
import { type BundleWriter, type FederatedPorts, foreignBundlesOf } from "./federated-messages.ts";
import { newestState } from "./newest-state.ts";

export type BundlePorts = FederatedPorts & {
  readonly trustDomain: TrustDomain;
  readonly authorities: AuthorityDirectory;
  readonly onBundleChange: (changed: () => void) => Cancel;
  /** Calls after a change of the registration entries. */
  readonly onEntriesChange: (changed: () => void) => Cancel;
  /** CRLs to send on streams, always all of them; none where the setting is off. DER. */
  readonly crls: () => readonly Uint8Array[];
  /** Calls after a change of what `crls` gives. */
  readonly onCrlChange: (changed: () => void) => Cancel;
};

/**
 * The certificates that X.509-SVIDs are verified by, one after another.
 *
 * @see SPIFFE Workload API section 5.2.1
 */
export function x509BundleOf({ authorities }: Pick<BundlePorts, "authorities">): Uint8Array {
  return Buffer.concat(x509RootsOf(authorities.all().filter(isPublished)));
}

/**
 * The keys of one use as a JWKS, and no others, so that a client may take every key in it for this use.
 *
 * @see SPIFFE Workload API sections 6.2.2 and 7.2.2
 */
export function jwksOf(use: "jwt-svid" | "wit-svid", { authorities }: Pick<BundlePorts, "authorities">): string {
  const keys = authorities
    .all()
    .filter((one) => one.family === use && isPublished(one))
    .map(({ authorityId, publicKey }) => ({ use, kid: authorityId, ...ecJwkOf(publicKey) }));
  return JSON.stringify({ keys });
}

/**
 * Bundles by the SPIFFE ID of their trust domain: the broker's own, and the foreign ones that entries name.
 *
 * @param foreign - how a foreign bundle is written.
 */
export function bundlesOf<Bundle>(
  own: Bundle,
  foreign: BundleWriter<Bundle>,
  entries: readonly RegistrationEntry[],
  ports: Pick<BundlePorts, "trustDomain" | "federated">,
): Record<string, Bundle> {
  return { ...foreignBundlesOf(entries, foreign, ports), [trustDomainId(ports.trustDomain)]: own };
}

/**
 * Streams bundles to any registered workload, whether it has a step or not: now, and after each change.
 *
 * @param current - the message for now, for a caller with these entries.
 * @param textOf - a text by which one message is told from another.
 */
export function bundleStream<Request, Response>(
  endpoint: Endpoint,
  method: string,
  current: (entries: readonly RegistrationEntry[]) => Response,
  textOf: (message: Response) => string,
  ports: BundlePorts,
): handleServerStreamingCall<Received<Request>, Response> {
  return (call) => {
    const begun = begin(endpoint, method, call);
    const put = newestState(call);
    const ends: Cancel[] = [];
    let isOver = false;
    let delivered: string | undefined;
    let turn = Promise.resolve();

    const finish = () => {
      isOver = true;
      for (const end of ends.splice(0)) end();
    };
    const fail = (thrown: unknown) => {
      if (isOver) return;
      finish();
      call.emit("error", serviceErrorOf(thrown));
    };
    /** A caller that lost its entry meanwhile is told no more. */
    const tell = async () => {
      if (isOver) return;
      const message = current((await begun.attested()).entries);
      const text = textOf(message);
      if (isOver || text === delivered) return;
      delivered = text;
      put(() => message);
    };
    const tellInTurn = () => {
      turn = turn.then(tell).catch(fail);
    };
    call.on("cancelled", finish);
    call.on("close", finish);
    const changes = [ports.onBundleChange, ports.onCrlChange, ports.onEntriesChange, ports.federated.onChange];
    ends.push(...changes.map((onChange) => onChange(tellInTurn)));
    turn = begun
      .run(() => {
        receivedMessage(call.request);
        return tell();
      })
      .catch(fail);
  };
}
