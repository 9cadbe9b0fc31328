import { parseBundleJson, type SpiffeBundle, type SpiffeBundleDocument, spiffeBundleIn } from "./bundle.ts";
import { invalidField } from "./errors.ts";
import type { FederatedBundle } from "./federation.ts";
import { parseTrustDomain, type TrustDomain } from "./spiffe-id.ts";
import { isObject } from "./strict-json.ts";

const TRUST_DOMAINS = "trust_domains";

/**
 * Reads a SPIFFE bundle map, whole or not at all: the bundles of several trust domains, each under the trust domain's
 * name.
 *
 * @param text - JSON; the caller bounds its size.
 * @throws BrokerError INVALID_FIELD
 * @see SPIFFE Trust Domain and Bundle section 5
 */
export function parseBundleMap(text: string, field = "bundle_map"): ReadonlyMap<TrustDomain, SpiffeBundle> {
  return bundlesIn(parseBundleJson(text, field)[TRUST_DOMAINS], field);
}

/**
 * Finds the bundle of one trust domain in a document that is a bundle, or a map of bundles. A bundle by itself does not
 * say whose it is; the caller vouches that it is this trust domain's.
 *
 * @param text - JSON; the caller bounds its size.
 * @throws BrokerError INVALID_FIELD
 */
export function parseBundleOf(trustDomain: TrustDomain, text: string, field = "bundle"): SpiffeBundle {
  const document = parseBundleJson(text, field);
  if (!Object.hasOwn(document, TRUST_DOMAINS)) return spiffeBundleIn(document, field);
  if (Object.hasOwn(document, "keys")) throw invalidField(field, "a bundle or a map of bundles, not both");
  const bundle = bundlesIn(document[TRUST_DOMAINS], field).get(trustDomain);
  if (bundle === undefined) throw invalidField(field, "a map that has a bundle of the trust domain");
  return bundle;
}

function bundlesIn(value: unknown, field: string): ReadonlyMap<TrustDomain, SpiffeBundle> {
  if (!isObject(value))
    throw invalidField(`${field}.${TRUST_DOMAINS}`, "an object, with a bundle for each trust domain");
  const place = `${field}.${TRUST_DOMAINS}`;
  return new Map(
    Object.entries(value).map(([name, bundle]) => {
      // The name is checked before it is repeated in the name of a field.
      const trustDomain = parseTrustDomain(name, place);
      return [trustDomain, spiffeBundleIn(bundle, `${place}.${trustDomain}`)];
    }),
  );
}

/**
 * Writes a bundle map: the broker's own bundle, and the foreign ones as they were accepted, none of them merged.
 *
 * @see SPIFFE Trust Domain and Bundle section 5
 */
export function formatBundleMap(
  own: { readonly trustDomain: TrustDomain; readonly document: SpiffeBundleDocument },
  foreign: readonly Pick<FederatedBundle, "trustDomain" | "document">[],
): string {
  const bundles: readonly (readonly [string, string])[] = [
    [own.trustDomain, JSON.stringify(own.document)],
    ...foreign.map(({ trustDomain, document }) => [trustDomain, document] as const),
  ];
  // Each document goes in as it stands: it is not parsed again, and it can say nothing about another trust domain.
  const members = bundles.map(([trustDomain, document]) => `${JSON.stringify(trustDomain)}:${document}`);
  return `{${JSON.stringify(TRUST_DOMAINS)}:{${members.join(",")}}}`;
}
