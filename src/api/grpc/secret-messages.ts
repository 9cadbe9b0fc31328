import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type Any, anyPack } from "@bufbuild/protobuf/wkt";
import { intermediatesOf, isPublished, x509RootsOf } from "../../domain/authority.ts";
import { certificatePem, pemOf } from "../../domain/pem.ts";
import type { RegistrationEntry } from "../../domain/registration-entry.ts";
import { type TrustDomain, trustDomainId } from "../../domain/spiffe-id.ts";
import type { CertificateValidationContextSchema } from "../../gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js";
import { SecretSchema } from "../../gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js";
import { SPIFFECertValidatorConfigSchema } from "../../gen/envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config_pb.js";
import { spiffeIdOf } from "../../stream/svid-identity.ts";
import type { StreamedSvid } from "../../stream/svid-stream.ts";
import { federatedBundlesFor, readBundleOf } from "./federated-messages.ts";
import { ALL_BUNDLES, type AskedSecrets, namesOf, notThere, OWN_BUNDLE } from "./secret-names.ts";
import type { BundlePorts } from "./workload-api-bundles.ts";

/** The type of every resource. */
export const SECRET_TYPE = `type.googleapis.com/${SecretSchema.typeName}`;
const SPIFFE_VALIDATOR = "envoy.tls.cert_validator.spiffe";

type SecretInit = MessageInitShape<typeof SecretSchema>;
type ValidationContext = MessageInitShape<typeof CertificateValidationContextSchema>;
/** Certificates of authorities, DER. */
type Roots = readonly Uint8Array[];

/** What secrets are made of. */
export type SecretParts = {
  /** The SVIDs that are asked for; the first is the default where that is asked for. */
  readonly svids: readonly StreamedSvid[];
  /** The workload's entries, whose foreign bundles it may have; empty where no bundle is asked for. */
  readonly entries: readonly RegistrationEntry[];
  /** Whether the client has the validator of SPIFFE: Envoy since 1.18. */
  readonly hasSpiffeValidator: boolean;
};

/**
 * The secrets that are asked for, bundles first.
 *
 * @throws BrokerError INVALID_FIELD for a bundle that is asked for by name, and that the workload is not given
 */
export function secretsOf(asked: AskedSecrets, parts: SecretParts, ports: BundlePorts): readonly Any[] {
  const bundles = asked.ofBundles ? bundleSecrets(asked, parts, ports) : [];
  const svids = parts.svids.flatMap((svid, index) => svidSecrets(asked, svid, index === 0));
  return [...bundles, ...svids].map((secret) => anyPack(SecretSchema, create(SecretSchema, secret)));
}

function svidSecrets({ names }: AskedSecrets, svid: StreamedSvid, isFirst: boolean): readonly SecretInit[] {
  const { identity, delivery, key } = svid;
  const chain = [delivery.svid, ...intermediatesOf(delivery.authority)].map(certificatePem).join("");
  const value = { certificateChain: inline(chain), privateKey: inline(pemOf("PRIVATE KEY", key.privateKey)) };
  const own = names.length === 0 ? [spiffeIdOf(identity)] : namesOf(identity, isFirst);
  return own
    .filter((name) => names.length === 0 || names.includes(name))
    .map((name) => ({ name, type: { case: "tlsCertificate", value } }));
}

function bundleSecrets({ names }: AskedSecrets, parts: SecretParts, ports: BundlePorts): readonly SecretInit[] {
  const own = x509RootsOf(ports.authorities.all().filter(isPublished));
  const foreign = [...federatedBundlesFor(parts.entries, ports)].map(
    ([trustDomain, bundle]) => [trustDomain, readBundleOf(bundle).x509] as const,
  );
  const all = new Map<TrustDomain, Roots>([[ports.trustDomain, own], ...foreign]);
  const byId = new Map([...all.keys()].map((trustDomain) => [trustDomainId(trustDomain) as string, trustDomain]));
  const wanted = names.length === 0 ? [...byId.keys()] : names;
  return wanted.flatMap((name, index): readonly SecretInit[] => {
    if (name === ALL_BUNDLES) {
      if (!parts.hasSpiffeValidator) throw notThere(index, `${ALL_BUNDLES} is for Envoy since 1.18, by its node`);
      return [{ name, type: { case: "validationContext", value: spiffeValidator(all) } }];
    }
    const trustDomain = name === OWN_BUNDLE ? ports.trustDomain : byId.get(name);
    if (trustDomain !== undefined) {
      const value = contextOf(trustDomain, all.get(trustDomain) ?? [], parts, ports);
      return [{ name, type: { case: "validationContext", value } }];
    }
    if (isBundle(name)) throw notThere(index, "the trust domain, or one that the workload's entries federate with");
    return [];
  });
}

/** Names of SVIDs have a path, or are words of their own. */
function isBundle(name: string): boolean {
  return name.startsWith("spiffe://") && !name.slice("spiffe://".length).includes("/");
}

/**
 * How the SVIDs of one trust domain are verified. Envoy's validator of SPIFFE knows no CRL, and so gives way to CRLs where they are sent:
 * who signs for this trust domain signs for no other.
 */
function contextOf(
  trustDomain: TrustDomain,
  roots: Roots,
  { hasSpiffeValidator }: SecretParts,
  ports: BundlePorts,
): ValidationContext {
  const crls = trustDomain === ports.trustDomain ? ports.crls() : [];
  if (crls.length === 0 && hasSpiffeValidator) return spiffeValidator(new Map([[trustDomain, roots]]));
  const crl = crls.map((one) => pemOf("X509 CRL", one)).join("");
  return {
    trustedCa: inline(roots.map(certificatePem).join("")),
    // Of the CAs above another's, nobody here has CRLs.
    ...(crls.length > 0 && { crl: inline(crl), onlyVerifyLeafCertCrl: true }),
  };
}

function spiffeValidator(bundles: ReadonlyMap<TrustDomain, Roots>): ValidationContext {
  const trustDomains = [...bundles]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, roots]) => ({ name, trustBundle: inline(roots.map(certificatePem).join("")) }));
  const config = create(SPIFFECertValidatorConfigSchema, { trustDomains });
  return {
    customValidatorConfig: { name: SPIFFE_VALIDATOR, typedConfig: anyPack(SPIFFECertValidatorConfigSchema, config) },
  };
}

function inline(text: string) {
  return { specifier: { case: "inlineBytes", value: Buffer.from(text) } } as const;
}
