import { describe, expect, test } from "vitest";
import { hashOf, txnToken, witSvid, workloadProof } from "../../verify/proof-forge.ts";
import { AUDIENCE, ISSUER, type Json, NOW, SUBJECT } from "../../verify/token-forge.ts";
import { deniedJwt, deniedStep } from "./feed-responses.ts";
import {
  bearer,
  deny,
  dpop,
  endStep,
  foreignWit,
  holder,
  outcomeOf,
  own,
  ownTxn,
  ownWit,
  ready,
  requestOf,
  thief,
  txn,
  wit,
} from "./request-scene.ts";

describe("a WIT-SVID", () => {
  test.for<{ presented: string; is: string; headers: () => Promise<Record<string, string>> }>([
    {
      presented: "without its proof",
      is: "PROOF_INVALID of wit-svid",
      headers: async () => ({ "workload-identity-token": witSvid(ownWit, holder) }),
    },
    {
      presented: "as nothing but its proof",
      is: "PROOF_INVALID of wit-svid",
      headers: async () => ({ authorization: `WPT ${await workloadProof(holder, "x")}` }),
    },
    { presented: "with the proof of a thief", is: "PROOF_INVALID of wit-svid", headers: () => wit({ by: thief }) },
    {
      presented: "as a Bearer token",
      is: "TOKEN_MALFORMED",
      headers: async () => ({ authorization: `Bearer ${witSvid(ownWit, holder)}` }),
    },
    {
      presented: "signed as a JWT-SVID is",
      is: "KEY_UNKNOWN of wit-svid",
      headers: async () => {
        const token = witSvid(own, holder);
        return { authorization: `WPT ${await workloadProof(holder, token)}`, "workload-identity-token": token };
      },
    },
    {
      presented: "with an audience",
      is: "CLAIMS_INVALID of wit-svid",
      headers: () => wit({ claims: { aud: AUDIENCE } }),
    },
    {
      presented: "of no step",
      is: "CLAIMS_INVALID of wit-svid",
      headers: () => wit({ claims: { step_id: undefined } }),
    },
    {
      presented: "beside a bearer token, its proof in a header of its own, as drafts had it before",
      is: "PROOF_INVALID of wit-svid",
      headers: async () => {
        const token = witSvid(ownWit, holder);
        const proof = await workloadProof(holder, token, { claims: { ath: hashOf(bearer) } });
        const before = { "workload-identity-token": token, "workload-proof-token": proof };
        return { authorization: `Bearer ${bearer}`, ...before };
      },
    },
    {
      presented: "with a proof that names an access token",
      is: "PROOF_INVALID of wit-svid",
      headers: () => wit({ wpt: { ath: hashOf(bearer) } }),
    },
    {
      presented: "with its proof in the Bearer scheme",
      is: "PROOF_INVALID of wit-svid",
      headers: async () => {
        const { authorization, ...rest } = await wit();
        return { authorization: authorization.replace("WPT", "Bearer"), ...rest };
      },
    },
    {
      presented: "in the DPoP scheme",
      is: "PROOF_INVALID of wit-svid",
      headers: async () => ({ ...(await wit()), ...(await dpop()) }),
    },
    {
      presented: "beside a transaction token that its proof does not name",
      is: "PROOF_INVALID of wit-svid",
      headers: async () => ({ "txn-token": "a.b.c", ...(await wit()) }),
    },
  ])("$presented is refused: $is", async ({ is, headers }) => {
    expect(outcomeOf(await ready(), requestOf(await headers()))).toBe(is);
  });

  test("is refused once its step has ended, and its signal aborts when it does", async () => {
    const scene = await ready();
    const verified = scene.verifier.verifyRequest(requestOf(await wit()));
    if (verified.kind !== "wit-svid") throw new TypeError("another kind");
    using watched = scene.verifier.signalFor(verified.workload);
    await endStep(scene.watch);
    expect(watched.signal.reason).toMatchObject({ code: "REVOKED", metadata: { state: "COMPLETED" } });
    expect(outcomeOf(scene, requestOf(await wit()))).toBe("REVOKED of wit-svid");
    expect(outcomeOf(scene, requestOf(await dpop()))).toBe("REVOKED");
  });

  test("is refused once it was revoked by its jti, of which only the trust domain's issuer is known", async () => {
    const scene = await ready();
    await deny(scene.watch, deniedJwt(ISSUER, "wit-1"));
    expect(outcomeOf(scene, requestOf(await wit({ claims: { jti: "wit-1" } })))).toBe("REVOKED of wit-svid");
    expect(outcomeOf(scene, requestOf(await txn(undefined, { claims: { jti: "wit-1" } })))).toBe("REVOKED of wit-svid");
    expect(outcomeOf(scene, requestOf(await wit({ claims: { jti: "wit-2" } })))).toBe("wit-svid wpt");
  });

  test("of a foreign trust domain may be of no step, and identifies its workload", async () => {
    const { verifier } = await ready();
    const sub = "spiffe://foreign.example/ns/default/sa/api";
    const token = foreignSvid({ sub });
    const headers = { authorization: `WPT ${await workloadProof(holder, token)}`, "workload-identity-token": token };
    const verified = verifier.verifyRequest(requestOf(headers));
    expect(verified).toMatchObject({ kind: "wit-svid", workload: { spiffeId: sub, federated: true } });
    expect(verified.kind === "wit-svid" && verified.workload).not.toHaveProperty("step");
  });

  test("is refused by a verifier without its feed", async () => {
    const scene = await ready();
    const headers = await wit({ wpt: { exp: NOW + 100 } });
    scene.clock.suspend(61_000);
    expect(outcomeOf(scene, requestOf(headers))).toBe("STALE of wit-svid");
  });
});

/** As of a workload that is no step. */
function foreignSvid(claims: Json): string {
  const ofStep = ["client_id", "txn", "run_id", "step", "attempt", "step_id", "nbf", "jti"];
  const none = Object.fromEntries(ofStep.map((name) => [name, undefined]));
  return witSvid(foreignWit, holder, { claims: { ...none, ...claims } });
}

describe("a transaction token", () => {
  const otherStep = SUBJECT.replace("/run/r1/", "/run/r2/");
  test.for<{ presented: string; is: string; headers: () => Promise<Record<string, string>> }>([
    {
      presented: "alone",
      is: "PROOF_INVALID of wit-svid",
      headers: async () => ({ "txn-token": txnToken(ownTxn) }),
    },
    {
      presented: "beside a bearer token",
      is: "PROOF_INVALID of wit-svid",
      headers: async () => ({ "txn-token": txnToken(ownTxn), authorization: `Bearer ${bearer}` }),
    },
    {
      presented: "beside a DPoP-bound token with its proof",
      is: "PROOF_INVALID of wit-svid",
      headers: async () => ({ "txn-token": txnToken(ownTxn), ...(await dpop()) }),
    },
    {
      presented: "as a bearer token",
      is: "TOKEN_MALFORMED",
      headers: async () => ({ authorization: `Bearer ${txnToken(ownTxn)}` }),
    },
    {
      presented: "without the WIT-SVID",
      is: "PROOF_INVALID of wit-svid",
      headers: async () => {
        const { authorization, "txn-token": token } = await txn();
        return { authorization, "txn-token": token };
      },
    },
    {
      presented: "with a proof that does not name it",
      is: "PROOF_INVALID of wit-svid",
      headers: () => txn(undefined, { wpt: { tth: undefined } }),
    },
    {
      presented: "with a proof that names another",
      is: "PROOF_INVALID of wit-svid",
      headers: () => txn(undefined, { wpt: { tth: hashOf("another") } }),
    },
    {
      presented: "that was taken out of a request whose proof names it",
      is: "PROOF_INVALID of wit-svid",
      headers: async () => {
        const { "txn-token": _, ...rest } = await txn();
        return rest;
      },
    },
    {
      presented: "with the proof of a thief",
      is: "PROOF_INVALID of wit-svid",
      headers: () => txn(undefined, { by: thief }),
    },
    {
      presented: "of another step",
      is: "PROOF_MISMATCH of wit-svid",
      headers: () => txn(txnToken(ownTxn, { claims: { req_wl: otherStep, txn: "r2" }, tctx: { run_id: "r2" } })),
    },
    {
      presented: "for another location",
      is: "AUDIENCE_MISMATCH of wit-svid",
      headers: () => txn(txnToken(ownTxn, { tctx: { location: "https://elsewhere.example.org" } })),
    },
    {
      presented: "that has expired",
      is: "EXPIRED of wit-svid",
      headers: () => txn(txnToken(ownTxn, { claims: { exp: NOW - 5 } })),
    },
    {
      presented: "by a key of WIT-SVIDs",
      is: "KEY_UNKNOWN of wit-svid",
      headers: () => txn(txnToken(ownWit)),
    },
    {
      presented: "of a foreign step, by a key that the foreign trust domain is said to have",
      is: "KEY_UNKNOWN of wit-svid",
      headers: async () => {
        const sub = SUBJECT.replace("example.org", "foreign.example");
        const agent = "spiffe://foreign.example/agent/researcher";
        const token = txnToken(foreignWit, { claims: { req_wl: sub, sub: agent, aud: "foreign.example" } });
        const svid = witSvid(foreignWit, holder, { claims: { sub, client_id: agent } });
        const proof = await workloadProof(holder, svid, { claims: { tth: hashOf(token) } });
        return { authorization: `WPT ${proof}`, "workload-identity-token": svid, "txn-token": token };
      },
    },
  ])("$presented is refused: $is", async ({ is, headers }) => {
    expect(outcomeOf(await ready(), requestOf(await headers()))).toBe(is);
  });

  test("is not looked at where Workload Proof Tokens are not taken", async () => {
    const scene = await ready();
    const options = { proofKinds: ["dpop"] } as const;
    expect(outcomeOf(scene, requestOf(await txn()), options)).toBe("TOKEN_MISSING");
    const headers = { "txn-token": txnToken(ownTxn), authorization: `Bearer ${bearer}` };
    expect(outcomeOf(scene, requestOf(headers), options)).toBe("jwt-svid none");
  });

  test.for([
    { what: "its jti", denial: deniedJwt(ISSUER, "BZh5t0Zk3Ez8yB8n2mRkQw") },
    { what: "the jti of the WIT-SVID that it came with", denial: deniedJwt(ISSUER, "AYh5t0Zk3Ez8yB8n2mRkQw") },
    { what: "its step", denial: deniedStep("step_0190a5f2", SUBJECT) },
  ])("is refused once $what is denied, and what it was taken for ends then", async ({ denial }) => {
    const scene = await ready();
    const verified = scene.verifier.verifyRequest(requestOf(await txn()));
    if (verified.kind !== "txn-token") throw new TypeError("another kind");
    using watched = scene.verifier.signalFor(verified.step);
    await deny(scene.watch, denial);
    expect(watched.signal.reason).toMatchObject({ code: "REVOKED" });
    expect(outcomeOf(scene, requestOf(await txn()))).toBe("REVOKED of wit-svid");
  });

  test("is of no more use than the WIT-SVID that it came with", async () => {
    const { verifier } = await ready();
    const verified = verifier.verifyRequest(requestOf(await txn(undefined, { claims: { exp: NOW + 20 } })));
    expect(verified).toMatchObject({ kind: "txn-token", step: { expiresAt: NOW + 20 } });
  });
});
