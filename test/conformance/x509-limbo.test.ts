import { describe, expect, test } from "vitest";
import { KEY_PURPOSE } from "../../src/domain/certificate-extensions.ts";
import type { UnixSeconds } from "../../src/domain/time.ts";
import { verifyCertificatePath } from "../../src/verify/certificate-path.ts";
import { VerificationError } from "../../src/verify/verification-error.ts";
import { x509AuthoritiesOf } from "../../src/verify/x509-svid.ts";
import { NOW } from "../samples/credentials.ts";
import { vectors, WITHOUT_VECTORS } from "../samples/vectors.ts";

// The cases of C2SP's x509-limbo that are about paths. Their leaves are web servers', so they are run against the validator of
// paths alone: the profile of X.509-SVIDs, which would refuse all of them for their names, is tested in x509-svid.test.ts.

type Case = {
  readonly id: string;
  readonly group: string;
  readonly features: readonly string[];
  readonly trusted_certs: readonly string[];
  readonly untrusted_intermediates: readonly string[];
  readonly peer_certificate: string;
  readonly validation_time: string | null;
  readonly expected_result: "SUCCESS" | "FAILURE";
  readonly max_chain_depth: number | null;
};

const { cases } = (vectors("x509-limbo/svid-subset.json") ?? { cases: [] }) as { readonly cases: readonly Case[] };

/** Revocation is the feed's: no CRL is read when a path is verified. Nothing else is left out. */
const isAboutCrls = ({ features }: Case): boolean => features.includes("has-crl");
/** Only constraints on URIs are evaluated; whatever has others is refused, and so are leaves that are for mail alone. */
const isAboutNamesOtherThanUris = ({ group }: Case): boolean => group.startsWith("name-constraints");

const der = (pem: string): Uint8Array => Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ""), "base64");

function isAccepted(one: Case): boolean {
  // Where a case names no time any will do.
  const now = one.validation_time === null ? NOW : Math.floor(Date.parse(one.validation_time) / 1_000);
  try {
    verifyCertificatePath([one.peer_certificate, ...one.untrusted_intermediates].map(der), {
      anchors: x509AuthoritiesOf(one.trusted_certs.map(der)),
      now: now as UnixSeconds,
      keyPurposes: [KEY_PURPOSE.serverAuth],
      ...(one.max_chain_depth === null ? {} : { intermediatesMax: one.max_chain_depth }),
    });
    return true;
  } catch (thrown) {
    if (thrown instanceof VerificationError) return false;
    throw thrown;
  }
}

describe.skipIf(cases.length === 0)(`x509-limbo (${WITHOUT_VECTORS})`, () => {
  const applicable = cases.filter((one) => !isAboutCrls(one));
  const accepted = new Set(applicable.filter(isAccepted));

  test("139 of 147 cases are about paths; the others are about CRLs", () => {
    expect({ cases: cases.length, applicable: applicable.length }).toEqual({ cases: 147, applicable: 139 });
    expect(applicable.filter(({ expected_result }) => expected_result === "SUCCESS")).toHaveLength(38);
  });

  test("nothing is accepted that must be refused, but for a trusted authority that does not identify its own issuer", () => {
    const wrongly = [...accepted].filter(({ expected_result }) => expected_result === "FAILURE");
    // Pedantic, as the case itself says: whoever is trusted, by whom it was issued does not matter. In `cve-2024-0567` the
    // same has to be accepted.
    expect(wrongly.map(({ id }) => id)).toEqual(["rfc5280::aki::cross-signed-root-missing-aki"]);
  });

  test("what must be accepted is, but for constraints on other names than URIs and a leaf that is an authority", () => {
    const refused = applicable.filter((one) => one.expected_result === "SUCCESS" && !accepted.has(one));
    const ids = (list: readonly Case[]) => list.map(({ id }) => id.replace("rfc5280::nc::", ""));
    // X509-SVID section 5.2: the case's leaf has the CA flag.
    expect(ids(refused.filter((one) => !isAboutNamesOtherThanUris(one)))).toEqual([
      "pathlen::validation-ignores-pathlen-in-leaf",
    ]);
    expect(ids(refused.filter(isAboutNamesOtherThanUris))).toEqual([
      "permitted-dns-match",
      "permitted-dns-match-more",
      "permitted-ipv4-match",
      "permitted-ipv6-match",
      "permitted-dn-match",
      "permitted-self-issued",
      "permitted-different-constraint-type",
      "excluded-different-constraint-type",
      "nc-forbids-alternate-chain-ica",
      "nc-permits-email-exact",
      "nc-permits-email-domain",
      "nc-permits-email-literal-asterisk-exact-match",
      "nc-permits-email-literal-double-asterisk",
      "nc-permits-email-literal-mid-asterisk",
      "nc-forbids-othername-noop",
    ]);
  });
});
