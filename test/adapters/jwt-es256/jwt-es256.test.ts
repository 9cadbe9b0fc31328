import fc from "fast-check";
import { createLocalJWKSet, decodeProtectedHeader, errors, jwtVerify } from "jose";
import { beforeAll, describe, expect, test } from "vitest";
import { jwtEs256Format } from "../../../src/adapters/jwt-es256/jwt-es256.ts";
import { systemRandomness } from "../../../src/adapters/system/system-randomness.ts";
import type { Authority } from "../../../src/domain/authority.ts";
import { plainJwks } from "../../../src/domain/bundle.ts";
import { confirmationOf } from "../../../src/domain/confirmation.ts";
import type { Grant } from "../../../src/domain/grant.ts";
import {
  jwtClaims,
  longestJwtSvidBytes,
  PRINCIPAL_SALT_BYTES,
  type PrincipalClaim,
} from "../../../src/domain/jwt-claims.ts";
import { LIMITS } from "../../../src/domain/limits.ts";
import { audiencesOf, type Step } from "../../../src/domain/step.ts";
import { addSeconds } from "../../../src/domain/time.ts";
import type { SvidFacts } from "../../../src/ports/svid-format.ts";
import { memorySigner } from "../../memory/memory-signer.ts";
import { NOW, recordedOf, STEP, TRUST_DOMAIN } from "../../samples/credentials.ts";

const ISSUER = "https://broker.example.org";
const AUDIENCE = "https://mcp.example.org/search";
const JTI = "AZq7IF0AAAAAAAAAAAAAAA";
const BOUND = confirmationOf("x5t#S256", new Uint8Array(32), "cnf");

const format = jwtEs256Format(ISSUER);
const signer = memorySigner({ trustDomain: TRUST_DOMAIN, randomness: systemRandomness() });
let authority: Authority;
beforeAll(async () => {
  authority = await signer.create("jwt-svid", { notBefore: NOW, expiresAt: addSeconds(NOW, 86_400) });
});

function factsOf(step: Step, audience: string): SvidFacts {
  return {
    spiffeId: step.spiffeId,
    notBefore: addSeconds(NOW, -5),
    expiresAt: addSeconds(NOW, 120),
    authority,
    jti: JTI,
    audiences: [audience],
    grant: step.grant,
    step,
  };
}

async function mint(step: Step = STEP, audience: string = AUDIENCE): Promise<string> {
  const toBeSigned = format.toBeSigned(factsOf(step, audience));
  const signature = await signer.signSvid(recordedOf("jwt-svid", authority, toBeSigned));
  return Buffer.from(format.assemble(toBeSigned, signature)).toString("latin1");
}

describe("a token written by hand", () => {
  const options = {
    algorithms: ["ES256"],
    issuer: ISSUER,
    audience: AUDIENCE,
    subject: STEP.spiffeId,
    typ: "JWT",
    currentDate: new Date(NOW * 1_000),
  };

  test("is verified by a library with the published keys, and says what the claims say", async () => {
    const keys = createLocalJWKSet({ keys: [...plainJwks([authority]).keys] });
    // Often enough to meet signatures whose r or s is short.
    for (let round = 0; round < 300; round += 1) {
      const { payload } = await jwtVerify(await mint(), keys, options);
      expect(payload).toEqual(jwtClaims(ISSUER, { ...factsOf(STEP, AUDIENCE), step: STEP, jti: JTI }));
    }
  });

  test("has the header of the standard and no other member", async () => {
    expect(decodeProtectedHeader(await mint())).toEqual({ alg: "ES256", kid: authority.authorityId, typ: "JWT" });
  });

  test("does not verify after a change anywhere, nor with another authority's key", async () => {
    const keys = createLocalJWKSet({ keys: [...plainJwks([authority]).keys] });
    const [header = "", claims = "", signature = ""] = (await mint()).split(".");
    const other = Buffer.from(claims, "base64url").toString("latin1").replace('"attempt":2', '"attempt":3');
    const changed = `${header}.${Buffer.from(other, "latin1").toString("base64url")}.${signature}`;
    await expect(jwtVerify(changed, keys, options)).rejects.toThrow(errors.JWSSignatureVerificationFailed);

    const validity = { notBefore: NOW, expiresAt: addSeconds(NOW, 60) };
    const stranger = { ...(await signer.create("jwt-svid", validity)), authorityId: authority.authorityId };
    const foreign = createLocalJWKSet({ keys: [...plainJwks([stranger]).keys] });
    await expect(jwtVerify(await mint(), foreign, options)).rejects.toThrow(errors.JWSSignatureVerificationFailed);
  });

  test("is its to-be-signed part and the signature, so that its row is found by that part's digest", async () => {
    const toBeSigned = Buffer.from(format.toBeSigned(factsOf(STEP, AUDIENCE))).toString("latin1");
    const token = await mint();
    expect(token.slice(0, token.lastIndexOf("."))).toBe(toBeSigned);
    expect(token.slice(token.lastIndexOf(".") + 1)).toHaveLength(86);
  });
});

describe("the size of a token", () => {
  const text = fc.string({ minLength: 1, maxLength: 60, unit: "grapheme" });
  const location = fc.nat({ max: 5 }).map((number) => `https://mcp-${number}.example.org`);
  const grant: fc.Arbitrary<Grant> = fc.array(
    fc.record({
      type: fc.constant("mcp_tool" as const),
      locations: fc.uniqueArray(location, { minLength: 1, maxLength: 3 }),
      identifier: fc.constantFrom("search", "fetch", "*", "a".repeat(128)),
      actions: fc.constantFrom(["read"], ["read", "write"]) as fc.Arbitrary<["read"]>,
      datatypes: fc.uniqueArray(fc.constantFrom("internal", "public", "secret"), { minLength: 1 }),
    }),
    { minLength: 0, maxLength: 20 },
  );

  test("is foretold exactly: the longest that can be minted for the step is as long as was said when it opened", () => {
    const steps = fc.record({
      workflow: text,
      grant,
      audiences: fc.uniqueArray(location, { minLength: 1, maxLength: 4 }),
    });
    const principals = fc.option(
      fc.record({
        iss: location,
        sub: text,
        salt: fc.constant(Buffer.alloc(PRINCIPAL_SALT_BYTES).toString("base64url")),
      }),
      { nil: undefined },
    );
    fc.assert(
      fc.property(steps, principals, fc.boolean(), (members, principal, hasStatus) => {
        const step: Step = { ...STEP, ...members };
        const foretold = longestJwtSvidBytes(ISSUER, authority.authorityId, step, {
          hasStatus,
          ...(principal !== undefined && { principal }),
        });
        if (foretold > LIMITS.jwtMintedBytesMax) {
          expect(() => mintAll(step, principal, hasStatus)).toThrow(
            expect.objectContaining({ code: "LIMIT_EXCEEDED" }),
          );
        } else {
          expect(Math.max(...mintAll(step, principal, hasStatus))).toBe(foretold);
        }
      }),
      { numRuns: 300 },
    );
  });

  /** Lengths of the tokens for each of the step's audiences, bound, which makes them longest. */
  function mintAll(step: Step, principal?: PrincipalClaim, hasStatus = false): readonly number[] {
    const signature = Buffer.from("3006020101020101", "hex");
    const said = {
      confirmation: BOUND,
      ...(principal === undefined ? {} : { principal }),
      ...(hasStatus ? { status: { list: "listlistlist", index: 131_071 } } : {}),
    };
    return audiencesOf(step).map(
      (audience) => format.assemble(format.toBeSigned({ ...factsOf(step, audience), ...said }), signature).length,
    );
  }

  test("stops at the limit: the longest allowed is minted, and one byte more is LIMIT_EXCEEDED", () => {
    const withWorkflow = (length: number): Step => ({ ...STEP, workflow: "w".repeat(length) });
    const fits = (length: number): boolean =>
      longestJwtSvidBytes(ISSUER, authority.authorityId, withWorkflow(length)) <= LIMITS.jwtMintedBytesMax;
    let length = 0;
    while (fits(length + 1)) length += 1;
    expect(Math.max(...mintAll(withWorkflow(length)))).toBeGreaterThan(LIMITS.jwtMintedBytesMax - 3);
    expect(() => mintAll(withWorkflow(length + 1))).toThrow(
      expect.objectContaining({
        code: "LIMIT_EXCEEDED",
        message: "the token would be longer than 6144 bytes: ask for fewer audiences or a narrower grant",
      }),
    );
  });
});

test("infrastructure has no JWT-SVID: without a step none is written", () => {
  const { step: _, ...facts } = factsOf(STEP, AUDIENCE);
  expect(() => format.toBeSigned(facts)).toThrow(TypeError);
});
