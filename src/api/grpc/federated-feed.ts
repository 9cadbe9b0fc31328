import type { MessageInitShape } from "@bufbuild/protobuf";
import type { FederatedBundle } from "../../domain/federation.ts";
import { type TrustDomain, trustDomainId } from "../../domain/spiffe-id.ts";
import type { WatchResponseSchema } from "../../gen/stint/v1/revocations_pb.js";
import type { EntryDirectory } from "../../ports/directories.ts";
import type { FederatedBundles } from "../../ports/federated-bundles.ts";
import { federatedBundlesFor } from "./federated-messages.ts";

type Response = MessageInitShape<typeof WatchResponseSchema>;

/** A bundle that trusts nobody. */
const NO_KEYS = '{"keys":[]}';

/**
 * Gives the messages that bring a watcher from the foreign bundles it was sent to those that it is to have now.
 *
 * A bundle that the watcher is to have no more is replaced by a bundle without keys: on a stream a message can't be
 * taken back, only be replaced by another.
 */
export function createFederatedFeed(
  entryId: string,
  ports: { readonly entries: EntryDirectory; readonly federated: FederatedBundles },
): () => readonly Response[] {
  const sent = new Map<TrustDomain, FederatedBundle>();
  return () => {
    const entry = ports.entries.byId(entryId);
    const wanted = federatedBundlesFor(entry === undefined ? [] : [entry], ports);
    const messages: Response[] = [];
    for (const trustDomain of [...sent.keys()].filter((name) => !wanted.has(name))) {
      sent.delete(trustDomain);
      messages.push(messageOf(trustDomain, NO_KEYS));
    }
    for (const [trustDomain, bundle] of wanted) {
      if (sent.get(trustDomain)?.document === bundle.document) continue;
      sent.set(trustDomain, bundle);
      messages.push(messageOf(trustDomain, bundle.document));
    }
    return messages;
  };
}

function messageOf(trustDomain: TrustDomain, document: string): Response {
  const jwks = Buffer.from(document);
  return { message: { case: "bundle", value: { trustDomain: trustDomainId(trustDomain), jwks, federated: true } } };
}
