import { describe, expect, test } from "vitest";
import { type Authority, intermediatesOf, isPublished, x509RootsOf } from "../../src/domain/authority.ts";
import { addSeconds } from "../../src/domain/time.ts";
import { NOW, P256_SPKI } from "../samples/credentials.ts";

const certificateOf = (serialNumber: number) => Uint8Array.of(0x30, 0x03, 0x02, 0x01, serialNumber);
const ROOT = certificateOf(1);
const MIDDLE = certificateOf(2);
const UPPER = certificateOf(3);
const OWN = certificateOf(4);
const NEXT = certificateOf(5);

function authority(own: Partial<Authority> = {}): Authority {
  return {
    authorityId: "ca",
    family: "x509-svid",
    state: "active",
    publicKey: P256_SPKI,
    notBefore: NOW,
    expiresAt: addSeconds(NOW, 60),
    ...own,
  };
}

test.for([
  { state: "prepared", isBelieved: true },
  { state: "active", isBelieved: true },
  { state: "old", isBelieved: true },
  { state: "removed", isBelieved: false },
] as const)(
  "an authority that is $state is published: $isBelieved; one that is tainted never",
  ({ state, isBelieved }) => {
    expect(isPublished(authority({ state }))).toBe(isBelieved);
    expect(isPublished(authority({ state, tainted: true }))).toBe(false);
  },
);

describe("the roots that X.509-SVIDs are verified by", () => {
  test("are the authorities' own certificates, or their upstream's last, each once", () => {
    const roots = x509RootsOf([
      authority({ certificate: OWN }),
      authority({ certificate: NEXT, upstream: [MIDDLE, ROOT] }),
      authority({ certificate: UPPER, upstream: [Uint8Array.from(ROOT)] }),
    ]);
    expect(roots).toEqual([OWN, ROOT]);
  });

  test("are none of another family's, nor of an authority without a certificate", () => {
    expect(x509RootsOf([authority({ family: "jwt-svid", certificate: OWN }), authority()])).toEqual([]);
  });
});

describe("what an X.509-SVID is delivered with", () => {
  test("is nothing below a root of the broker's own", () => {
    expect(intermediatesOf(authority({ certificate: OWN }))).toEqual([]);
  });

  test("is the authority's certificate and all above it but the root", () => {
    expect(intermediatesOf(authority({ certificate: OWN, upstream: [MIDDLE, UPPER, ROOT] }))).toEqual([
      OWN,
      MIDDLE,
      UPPER,
    ]);
    expect(intermediatesOf(authority({ certificate: OWN, upstream: [ROOT] }))).toEqual([OWN]);
    expect(intermediatesOf(authority({ upstream: [MIDDLE, ROOT] }))).toEqual([]);
  });
});
