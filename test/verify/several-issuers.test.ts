import { expect, test } from "vitest";
import { verifyJwtSvid } from "../../src/verify/jwt-svid.ts";
import { VerificationError } from "../../src/verify/verification-error.ts";
import { AUDIENCE, bundleSet, ecSigner, ISSUER, jwtBundle, mint, NOW } from "./token-forge.ts";

const own = ecSigner("own");
const foreign = ecSigner("foreign");
const third = ecSigner("third");
const bundles = bundleSet(
  jwtBundle("example.org", [own], { issuer: ISSUER }),
  jwtBundle("other.example", [foreign]),
  jwtBundle("third.example", [third], { issuer: "https://third.example" }),
);

function codeOf(token: string): string {
  try {
    verifyJwtSvid(token, { audiences: [AUDIENCE], bundles, now: NOW });
    return "accepted";
  } catch (thrown) {
    if (thrown instanceof VerificationError) return thrown.code;
    throw thrown;
  }
}

const plain = { workflow: undefined, run_id: undefined, step: undefined, attempt: undefined, step_id: undefined };
const foreignToken = (iss: unknown) =>
  mint(foreign, { claims: { ...plain, sub: "spiffe://other.example/workload", client_id: undefined, iss } });

test.for([
  { names: "none", iss: undefined, gets: "accepted" },
  { names: "one that nobody is known to be", iss: "https://other.example", gets: "accepted" },
  { names: "the verifier's own broker", iss: ISSUER, gets: "ISSUER_MISMATCH" },
  { names: "another foreign trust domain's", iss: "https://third.example", gets: "ISSUER_MISMATCH" },
])(
  "a trust domain whose issuer is not known may name any but one that is known to be another's: $names, $gets",
  ({ iss, gets }) => {
    expect(codeOf(foreignToken(iss))).toBe(gets);
  },
);

test.for([
  { names: "none", iss: undefined },
  { names: "another", iss: "https://elsewhere.example" },
  { names: "another trust domain's", iss: "https://third.example" },
])("a trust domain whose issuer is known names that one: $names is refused", ({ iss }) => {
  expect(codeOf(mint(own, { claims: { iss } }))).toBe("ISSUER_MISMATCH");
  expect(codeOf(mint(own))).toBe("accepted");
});
