import { randomBytes } from "node:crypto";
import { describe, expect, test, vi } from "vitest";
import { createVerifier, type ProofOptions, VerificationError } from "../../../src/sdk/verifier/index.ts";
import { hashOf, METHOD, URL_OF_REQUEST } from "../../verify/proof-forge.ts";
import { AUDIENCE, NOW, SUBJECT } from "../../verify/token-forge.ts";
import { pong } from "./feed-responses.ts";
import {
  bearer,
  bound,
  CERTIFICATE,
  dpop,
  holder,
  outcomeOf,
  ready,
  requestOf,
  thief,
  toCertificate,
  toKey,
  txn,
  wit,
} from "./request-scene.ts";

describe("a request", () => {
  test("is taken with each of the forms there are", async () => {
    const scene = await ready();
    const forms = {
      "jwt-svid none": requestOf({ authorization: `Bearer ${bearer}` }),
      "jwt-svid dpop": requestOf(await dpop()),
      "jwt-svid mtls": requestOf({ authorization: `bearer ${toCertificate}` }, { clientCertificate: CERTIFICATE }),
      "txn-token wpt": requestOf(await txn()),
      "wit-svid wpt": requestOf(await wit()),
    };
    for (const [form, request] of Object.entries(forms)) expect(outcomeOf(scene, request)).toBe(form);
  });

  test("says what it was shown to be", async () => {
    const { verifier } = await ready();
    expect(verifier.verifyRequest(requestOf(await dpop()))).toMatchObject({
      kind: "jwt-svid",
      proof: "dpop",
      step: { spiffeId: SUBJECT, confirmation: { jkt: holder.jkt }, scopes: ["mcp:tool:search"] },
    });
    expect(verifier.verifyRequest(requestOf(await wit()))).toMatchObject({
      kind: "wit-svid",
      workload: { spiffeId: SUBJECT, step: { stepId: "step_0190a5f2" }, federated: false },
    });
    const verified = verifier.verifyRequest(requestOf(await txn()));
    expect(verified).toMatchObject({
      kind: "txn-token",
      step: { spiffeId: SUBJECT, audience: AUDIENCE, step: { stepId: "step_0190a5f2" }, scopes: ["mcp:tool:search"] },
    });
    const use = { tool: "search", actions: ["read"], datatypes: ["internal"] } as const;
    if (verified.kind !== "txn-token") throw new TypeError("another kind");
    expect(() => verifier.authorize(verified.step, use)).not.toThrow();
    expect(() => verifier.authorize(verified.step, { ...use, tool: "erase" })).toThrow(
      expect.objectContaining({ code: "GRANT_EXCEEDED" }),
    );
  });

  test("names its scheme in any letters", async () => {
    const { authorization, ...rest } = await txn();
    const request = requestOf({ authorization: authorization.replace("WPT", "wpt"), ...rest });
    expect(outcomeOf(await ready(), request)).toBe("txn-token wpt");
  });

  test("is read from Headers as from a record, whatever the letters", async () => {
    const scene = await ready();
    const { authorization, dpop: proof } = await dpop();
    const headers = new Headers({ AUTHORIZATION: authorization, DPoP: proof });
    expect(outcomeOf(scene, { method: METHOD, url: `${URL_OF_REQUEST}?a=b`, headers })).toBe("jwt-svid dpop");
  });
});

describe("a bound token", () => {
  test.for<{ presented: string; is: string; headers: () => Promise<Record<string, string | string[]>> }>([
    {
      presented: "as a Bearer token",
      is: "PROOF_REQUIRED",
      headers: async () => ({ authorization: `Bearer ${toKey}` }),
    },
    {
      presented: "as a Bearer token with its proof",
      is: "PROOF_REQUIRED",
      headers: async () => ({ ...(await dpop()), authorization: `Bearer ${toKey}` }),
    },
    { presented: "without a proof", is: "PROOF_INVALID", headers: async () => ({ authorization: `DPoP ${toKey}` }) },
    { presented: "with the proof of a thief's key", is: "PROOF_MISMATCH", headers: () => dpop(toKey, thief) },
    {
      presented: "with a thief's proof that names the holder's key",
      is: "PROOF_INVALID",
      headers: () => dpop(toKey, thief, { header: { jwk: holder.jwk } }),
    },
    {
      presented: "with a proof for another token",
      is: "PROOF_INVALID",
      headers: () => dpop(toKey, holder, { claims: { ath: hashOf(bearer) } }),
    },
    {
      presented: "with a proof for another URL",
      is: "PROOF_INVALID",
      headers: () => dpop(toKey, holder, { claims: { htu: "https://evil.example.org/tools" } }),
    },
    {
      presented: "with two proofs",
      is: "PROOF_INVALID",
      headers: async () => {
        const [one, two] = [await dpop(), await dpop()];
        return { ...one, dpop: [one.dpop, two.dpop] };
      },
    },
    {
      presented: "to a certificate, without one",
      is: "PROOF_REQUIRED",
      headers: async () => ({ authorization: `Bearer ${toCertificate}` }),
    },
    { presented: "to a certificate, with a DPoP proof", is: "PROOF_MISMATCH", headers: () => dpop(toCertificate) },
    {
      presented: "after its time",
      is: "EXPIRED",
      headers: () => dpop(bound({ jkt: holder.jkt }, { exp: NOW - 10, iat: NOW - 99, nbf: NOW - 99 })),
    },
  ])("$presented is refused: $is", async ({ is, headers }) => {
    expect(outcomeOf(await ready(), requestOf(await headers()))).toBe(is);
  });

  test("under a policy that is none is refused, as is whatever comes with it", async () => {
    const scene = await ready();
    const request = requestOf({ authorization: `Bearer ${bearer}` });
    const proof = "requried" as "required";
    expect(() => outcomeOf(scene, request, { proof })).toThrow("proof: one of none, accepted, required");
  });

  test("to a certificate is refused on the connection of another", async () => {
    const request = requestOf({ authorization: `Bearer ${toCertificate}` }, { clientCertificate: randomBytes(300) });
    expect(outcomeOf(await ready(), request)).toBe("PROOF_MISMATCH");
  });

  test("is refused where proofs are not looked at", async () => {
    const scene = await ready();
    const options = { proof: "none" } as const;
    expect(outcomeOf(scene, requestOf(await dpop()), options)).toBe("TOKEN_MISSING");
    expect(outcomeOf(scene, requestOf({ authorization: `Bearer ${toKey}` }), options)).toBe("PROOF_REQUIRED");
    const request = requestOf({ authorization: `Bearer ${toCertificate}` }, { clientCertificate: CERTIFICATE });
    expect(outcomeOf(scene, request, options)).toBe("PROOF_REQUIRED");
    expect(outcomeOf(scene, request, { proofKinds: ["dpop"] })).toBe("PROOF_REQUIRED");
    expect(outcomeOf(scene, requestOf(await wit()), options)).toBe("TOKEN_MISSING");
  });

  test("is taken by the caller's word that its proof holds", async () => {
    const { verifier } = await ready();
    expect(verifier.verify(toKey, { confirmation: { jkt: holder.jkt } }).confirmation).toEqual({ jkt: holder.jkt });
    expect(() => verifier.verify(toKey)).toThrow(expect.objectContaining({ code: "PROOF_REQUIRED" }));
  });
});

describe("a bearer token", () => {
  test("in the DPoP scheme is refused, however good the proof", async () => {
    expect(outcomeOf(await ready(), requestOf(await dpop(bearer)))).toBe("PROOF_MISMATCH");
  });

  test("is taken whatever certificate its connection has", async () => {
    const request = requestOf({ authorization: `Bearer ${bearer}` }, { clientCertificate: CERTIFICATE });
    expect(outcomeOf(await ready(), request)).toBe("jwt-svid none");
  });

  test("is refused where proofs are required", async () => {
    const scene = await ready();
    const options = { proof: "required" } as const;
    const authorization = `Bearer ${bearer}`;
    expect(outcomeOf(scene, requestOf({ authorization }), options)).toBe("PROOF_REQUIRED");
    expect(outcomeOf(scene, requestOf(await txn()), options)).toBe("txn-token wpt");
    expect(outcomeOf(scene, requestOf(await dpop()), options)).toBe("jwt-svid dpop");
    expect(outcomeOf(scene, requestOf({}), options)).toBe("TOKEN_MISSING");
  });
});

describe("a proof", () => {
  test("is taken once, of a token as of a WIT-SVID", async () => {
    const scene = await ready();
    for (const { headers, first, second } of [
      { headers: await dpop(), first: "jwt-svid dpop", second: "PROOF_REPLAYED" },
      { headers: await wit(), first: "wit-svid wpt", second: "PROOF_REPLAYED of wit-svid" },
      { headers: await txn(), first: "txn-token wpt", second: "PROOF_REPLAYED of wit-svid" },
    ]) {
      expect(outcomeOf(scene, requestOf(headers))).toBe(first);
      expect(outcomeOf(scene, requestOf(headers))).toBe(second);
    }
  });

  test("is taken once although the clock is set back in between, by as much as the verifier lets it", async () => {
    const scene = await ready({ workloadProofSecondsMax: 1 });
    const { verifier, watch, clock } = scene;
    const headers = await dpop(toKey, holder, { claims: { iat: NOW + 5 } });
    expect(outcomeOf(scene, requestOf(headers))).toBe("jwt-svid dpop");
    // Past its time, so that whoever remembers no longer than that has forgotten it.
    clock.advance(69_000);
    const { nonce } = await watch.next("ping");
    watch.send(pong(nonce, clock.wallMs()));
    await vi.waitFor(() => expect(verifier.status().stalenessSeconds).toBe(0));
    expect(outcomeOf(scene, requestOf(headers))).toBe("PROOF_INVALID");
    const late = { claims: { iat: NOW + 69 } };
    expect(outcomeOf(scene, requestOf(await dpop(toKey, holder, late)))).toBe("jwt-svid dpop");
    clock.setWall((NOW + 65) * 1_000);
    expect(outcomeOf(scene, requestOf(headers))).toBe("PROOF_REPLAYED");
  });

  test("that was refused for something else is not remembered, so that nobody can use up another's", async () => {
    const scene = await ready();
    const headers = await dpop();
    expect(outcomeOf(scene, requestOf(headers, { method: "GET" }))).toBe("PROOF_INVALID");
    expect(outcomeOf(scene, requestOf(headers), { audience: AUDIENCE, proofKinds: ["mtls"] })).toBe("TOKEN_MISSING");
    expect(outcomeOf(scene, requestOf(headers))).toBe("jwt-svid dpop");
  });

  test("is refused when no more can be remembered, as the verifier's matter", async () => {
    const scene = await ready({ replayCapacity: 10 });
    expect(outcomeOf(scene, requestOf(await dpop()))).toBe("jwt-svid dpop");
    expect(outcomeOf(scene, requestOf(await dpop()))).toBe("OVERLOADED");
    expect(new VerificationError("OVERLOADED", "").fault).toBe("verifier");
  });

  test("may be as old as the verifier was told", async () => {
    const old = { claims: { iat: NOW - 100 } };
    expect(outcomeOf(await ready(), requestOf(await dpop(toKey, holder, old)))).toBe("PROOF_INVALID");
    expect(outcomeOf(await ready({ dpopAgeSecondsMax: 100 }), requestOf(await dpop(toKey, holder, old)))).toBe(
      "jwt-svid dpop",
    );
  });

  test.for([
    { iat: NOW - 300, is: "jwt-svid dpop" },
    { iat: NOW + 300, is: "jwt-svid dpop" },
    { iat: NOW - 301, is: "PROOF_INVALID" },
    { iat: NOW + 301, is: "PROOF_INVALID" },
  ])("of a client without state may be 5 minutes off where the verifier was told so: $iat", async ({ iat, is }) => {
    const scene = await ready({ dpopAgeSecondsMax: 300, dpopAheadSecondsMax: 300 });
    expect(outcomeOf(scene, requestOf(await dpop(toKey, holder, { claims: { iat } })))).toBe(is);
  });

  test("is remembered for as long as it could be sent again, also when it came ahead of time", async () => {
    const scene = await ready({ dpopAheadSecondsMax: 300 });
    const headers = await dpop(toKey, holder, { claims: { iat: NOW + 100 } });
    expect(outcomeOf(scene, requestOf(headers))).toBe("jwt-svid dpop");
    // Past what is remembered by default.
    scene.clock.advance(90_000);
    const { nonce } = await scene.watch.next("ping");
    scene.watch.send(pong(nonce, scene.clock.wallMs()));
    await vi.waitFor(() => expect(scene.verifier.status().stalenessSeconds).toBe(0));
    expect(outcomeOf(scene, requestOf(headers))).toBe("PROOF_REPLAYED");
  });

  test("needs a nonce where nonces are asked for", async () => {
    const { verifier, clock } = await ready({ dpopNonces: { periodSeconds: 10 } });
    const nonceFor = async (nonce?: unknown, iat: number = NOW) => {
      const headers = await dpop(toKey, holder, { claims: { nonce, iat } });
      try {
        return verifier.verifyRequest(requestOf(headers));
      } catch (thrown) {
        return (thrown as VerificationError).metadata["nonce"];
      }
    };
    const nonce = await nonceFor();
    expect(nonce).toMatch(/^[\w-]{22}$/);
    expect(await nonceFor("made up")).toBe(nonce);
    expect(await nonceFor(nonce)).not.toHaveProperty("dpopNonce");
    clock.advance(10_000);
    const answered = await nonceFor(nonce, NOW + 10);
    expect(answered).toMatchObject({ proof: "dpop", dpopNonce: expect.stringMatching(/^[\w-]{22}$/) });
    expect(answered).not.toMatchObject({ dpopNonce: nonce });
  });
});

describe("an Authorization header", () => {
  test.for([
    { that: "is missing", headers: {}, is: "TOKEN_MISSING" },
    { that: "is of another scheme", headers: { authorization: `Basic ${bearer}` }, is: "TOKEN_MISSING" },
    { that: "has two tokens", headers: { authorization: `Bearer ${bearer} x` }, is: "REQUEST_MALFORMED" },
    { that: "came twice", headers: { authorization: [`Bearer ${bearer}`, "Bearer x"] }, is: "REQUEST_MALFORMED" },
    {
      that: "came with both schemes",
      headers: { authorization: [`Bearer ${bearer}`, `DPoP ${toKey}`] },
      is: "REQUEST_MALFORMED",
    },
    { that: "has no token", headers: { authorization: "DPoP" }, is: "REQUEST_MALFORMED" },
    { that: "has no proof", headers: { authorization: "WPT" }, is: "REQUEST_MALFORMED" },
    { that: "has two proofs", headers: { authorization: ["WPT a.b.c", "WPT d.e.f"] }, is: "REQUEST_MALFORMED" },
    {
      that: "came with a proof and a token",
      headers: { authorization: ["WPT a.b.c", `Bearer ${bearer}`] },
      is: "REQUEST_MALFORMED",
    },
  ])("that $that is refused: $is", async ({ headers, is }) => {
    expect(outcomeOf(await ready(), requestOf(headers))).toBe(is);
  });
});

describe("a verifier", () => {
  test.for<{ field: string; proofs: ProofOptions }>([
    { field: "proofs.dpopAgeSecondsMax", proofs: { dpopAgeSecondsMax: 0 } },
    { field: "proofs.dpopAgeSecondsMax", proofs: { dpopAgeSecondsMax: 301 } },
    { field: "proofs.dpopAheadSecondsMax", proofs: { dpopAheadSecondsMax: 301 } },
    { field: "proofs.workloadProofSecondsMax", proofs: { workloadProofSecondsMax: Number.NaN } },
    { field: "proofs.replayCapacity", proofs: { replayCapacity: 0 } },
    { field: "proofs.dpopNonces.secret", proofs: { dpopNonces: { secret: randomBytes(31) } } },
    { field: "proofs.dpopNonces.periodSeconds", proofs: { dpopNonces: { periodSeconds: 9 } } },
  ])("is not created with a wrong $field", ({ field, proofs }) => {
    const act = () => createVerifier({ endpoint: "unix:///nowhere", audiences: [AUDIENCE], proofs });
    expect(act).toThrow(expect.objectContaining({ code: "INVALID_FIELD", metadata: { field } }));
  });
});
