import { describe, expect, test } from "vitest";
import type { Authority, KeyFamily } from "../../src/domain/authority.ts";
import { plainJwks, spiffeBundle } from "../../src/domain/bundle.ts";
import { addSeconds } from "../../src/domain/time.ts";
import { parseTxnTokenKeySet, txnTokenKeySet } from "../../src/domain/txn-token-keys.ts";
import { NOW, P256_SPKI } from "../samples/credentials.ts";

function authority(family: KeyFamily, authorityId: string): Authority {
  const validity = { notBefore: NOW, expiresAt: addSeconds(NOW, 60) };
  return { authorityId, family, state: "active", publicKey: P256_SPKI, ...validity };
}

const FAMILIES = ["jwt-svid", "wit-svid", "txn-token", "events"] as const;
const authorities = FAMILIES.map((family) => authority(family, `key-of-${family}`));
const { x, y } = { x: "YP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Y", y: "eQP-EAi4vJmkGunpVii8ZPLxsgwtfp9Rd6PClNRGIpk" };
const key = { kty: "EC", crv: "P-256", x, y };

describe("the keys of transaction tokens", () => {
  test("are pinned as verifiers are told them, with a use that no library takes for its own", () => {
    expect(txnTokenKeySet(authorities)).toEqual({ keys: [{ use: "txn-token", kid: "key-of-txn-token", ...key }] });
  });

  test("are in no document that anybody else reads", () => {
    for (const document of [plainJwks(authorities), spiffeBundle(authorities, 1, 300)]) {
      expect(JSON.stringify(document)).toContain("key-of-jwt-svid");
      expect(JSON.stringify(document)).not.toContain("txn-token");
    }
  });

  test("are read back, and other keys are passed over", () => {
    const keys = parseTxnTokenKeySet(JSON.stringify(txnTokenKeySet(authorities)));
    expect([...keys]).toEqual([["key-of-txn-token", { kid: "key-of-txn-token", ...key }]]);
    const others = [
      { ...key, use: "jwt-svid", kid: "a" },
      { ...key, kid: "b" },
      { kty: "AKP", use: "txn-token" },
    ];
    expect(parseTxnTokenKeySet(JSON.stringify({ keys: others })).size).toBe(0);
  });

  test.for([
    { what: "no JSON", text: "" },
    { what: "no keys", text: "{}" },
    { what: "a key without kid", text: JSON.stringify({ keys: [{ ...key, use: "txn-token" }] }) },
    {
      what: "a kid twice",
      text: JSON.stringify({ keys: [1, 2].map(() => ({ ...key, use: "txn-token", kid: "a" })) }),
    },
    { what: "a private key", text: JSON.stringify({ keys: [{ ...key, d: "eA", use: "txn-token", kid: "a" }] }) },
  ])("with $what are refused", ({ text }) => {
    expect(() => parseTxnTokenKeySet(text)).toThrow(expect.objectContaining({ code: "INVALID_FIELD" }));
  });
});
