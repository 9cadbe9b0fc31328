import { generateKeyPairSync } from "node:crypto";
import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { createDelegationToken } from "../../../src/sdk/runtime/delegation-token.ts";
import { createExchangedSecret } from "../../../src/sdk/runtime/exchanged-secret.ts";
import { StintError } from "../../../src/sdk/runtime/index.ts";
import { createJwtSvid } from "../../../src/sdk/runtime/jwt-svid.ts";
import { createTxnToken } from "../../../src/sdk/runtime/txn-token.ts";
import { createWitSvid } from "../../../src/sdk/runtime/wit-svid.ts";
import { createX509Svid } from "../../../src/sdk/runtime/x509-svid.ts";
import { loopback } from "./loopback.ts";
import { scriptedBroker, thrownBy } from "./scripted-broker.ts";

const expiresAt = new Date("2031-01-01T00:00:00Z");
const spiffeId = "spiffe://example.org/agent/a/run/r/step/s/1";
const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const secretScalar = privateKey.export({ format: "jwk" }).d ?? "";
const pem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();

const jwtSvid = createJwtSvid({
  issuanceId: "iss_1",
  spiffeId,
  audience: "https://mcp.example.com/mcp",
  expiresAt,
  svid: "eyJhbGciOiJFUzI1NiJ9.topsecret.c2ln",
});
const certificates = [Uint8Array.of(0x30, 0)];
const x509Svid = createX509Svid({
  issuanceId: "iss_2",
  spiffeId,
  expiresAt,
  certificates,
  bundle: certificates,
  privateKey,
});

const witSvid = createWitSvid({
  issuanceId: "iss_3",
  spiffeId,
  expiresAt,
  svid: "eyJhbGciOiJFUzI1NiJ9.topsecret.c2ln",
  privateKey,
});

const txnToken = createTxnToken({
  issuanceId: "iss_4",
  spiffeId,
  location: "https://mcp.example.com/mcp",
  expiresAt,
  token: "eyJhbGciOiJFUzI1NiJ9.topsecret.c2ln",
});

const delegationToken = createDelegationToken({
  issuanceId: "iss_5",
  spiffeId,
  runtime: "receiver",
  expiresAt,
  token: "eyJhbGciOiJFUzI1NiJ9.topsecret.c2ln",
});

const exchanged = createExchangedSecret({
  ...{ exchangeId: "xch_1", target: "bao", kind: "openbao", expiresAt, endsWithStep: true },
  secret: { token: "topsecret" },
});

/** All the ways in which a value ends up in a log. */
function printed(value: unknown): readonly string[] {
  return [
    String(value),
    `${value}`,
    inspect(value, { showHidden: true, depth: null, getters: true }),
    inspect({ nested: { value } }, { showHidden: true, depth: null }),
    inspect(value, { customInspect: false, showHidden: true, depth: null }),
    JSON.stringify(value) ?? "",
    JSON.stringify({ ...(value as object) }),
    Object.values(value as object).join(),
  ];
}

describe("a credential", () => {
  test("is not in any print of a JWT-SVID", () => {
    for (const text of printed(jwtSvid)) expect(text).not.toContain("topsecret");
    expect(String(jwtSvid)).toBe("JwtSvid(https://mcp.example.com/mcp)");
    expect(inspect(jwtSvid)).toBe("JwtSvid(https://mcp.example.com/mcp) until 2031-01-01T00:00:00.000Z");
    expect(JSON.parse(JSON.stringify(jwtSvid))).toEqual({
      spiffeId,
      audience: "https://mcp.example.com/mcp",
      expiresAt: "2031-01-01T00:00:00.000Z",
    });
  });

  test("is given to whoever asks for it by name", () => {
    expect(jwtSvid.svid()).toBe("eyJhbGciOiJFUzI1NiJ9.topsecret.c2ln");
    expect(jwtSvid.authorization()).toBe("Bearer eyJhbGciOiJFUzI1NiJ9.topsecret.c2ln");
    expect(x509Svid.privateKey()).toBe(privateKey);
    expect(x509Svid.tls()).toEqual({
      cert: "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
      key: pem,
      ca: ["-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"],
    });
  });

  test("is not in any print of an X.509-SVID", () => {
    for (const text of printed(x509Svid)) {
      expect(text).not.toContain(secretScalar);
      expect(text).not.toContain("PRIVATE KEY");
    }
    expect(String(x509Svid)).toBe(`X509Svid(${spiffeId})`);
    expect(JSON.parse(JSON.stringify(x509Svid))).toEqual({ spiffeId, expiresAt: "2031-01-01T00:00:00.000Z" });
  });

  test("is not in any print of a WIT-SVID, nor is its key to be got out", () => {
    for (const text of printed(witSvid)) {
      for (const secret of ["topsecret", secretScalar, "KeyObject", "PRIVATE KEY"]) expect(text).not.toContain(secret);
    }
    expect(inspect(witSvid)).toBe(`WitSvid(${spiffeId}) until 2031-01-01T00:00:00.000Z`);
    expect(JSON.parse(JSON.stringify(witSvid))).toEqual({ spiffeId, expiresAt: "2031-01-01T00:00:00.000Z" });
    expect(witSvid.svid()).toBe("eyJhbGciOiJFUzI1NiJ9.topsecret.c2ln");
    expect(Object.values(witSvid).filter((value) => typeof value === "object")).toEqual([expiresAt]);
  });

  test("is not in any print of a transaction token", () => {
    for (const text of printed(txnToken)) expect(text).not.toContain("topsecret");
    expect(String(txnToken)).toBe("TxnToken(https://mcp.example.com/mcp)");
    const shown = { spiffeId, location: "https://mcp.example.com/mcp", expiresAt: "2031-01-01T00:00:00.000Z" };
    expect(JSON.parse(JSON.stringify(txnToken))).toEqual(shown);
    expect(txnToken.token()).toBe("eyJhbGciOiJFUzI1NiJ9.topsecret.c2ln");
  });

  test("is not in any print of a delegation token", () => {
    for (const text of printed(delegationToken)) expect(text).not.toContain("topsecret");
    expect(inspect(delegationToken)).toBe("DelegationToken(receiver) until 2031-01-01T00:00:00.000Z");
    const shown = { spiffeId, runtime: "receiver", expiresAt: "2031-01-01T00:00:00.000Z" };
    expect(JSON.parse(JSON.stringify(delegationToken))).toEqual(shown);
    expect(delegationToken.token()).toBe("eyJhbGciOiJFUzI1NiJ9.topsecret.c2ln");
  });

  test("is not in any print of a secret of another system", () => {
    for (const text of printed(exchanged)) expect(text).not.toContain("topsecret");
    expect(inspect(exchanged)).toBe("ExchangedSecret(bao) until 2031-01-01T00:00:00.000Z");
    const shown = { exchangeId: "xch_1", target: "bao", expiresAt: "2031-01-01T00:00:00.000Z" };
    expect(JSON.parse(JSON.stringify(exchanged))).toEqual(shown);
    expect(exchanged.secret()).toEqual({ token: "topsecret" });
  });

  test("is not in any print of the step that holds it, nor of what the step's failures throw", async () => {
    const origin = await loopback((_request, response) => response.destroy());
    const broker = await scriptedBroker();
    const stint = broker.stint();
    const grant = [
      { type: "mcp_tool" as const, locations: [origin], identifier: "a", actions: ["read" as const], datatypes: ["b"] },
    ];
    const step = await stint.openStep({ runId: "r", step: "s", grant, principalToken: "eyJ.topsecret.sig" });
    expect((await step.jwtSvid(origin)).svid()).toContain("secret1");
    await step.x509Svid();
    await step.witSvid();
    await step.txnToken("https://mcp.example.org");
    await step.delegationToken({ runtime: "receiver" });
    const failures = [await thrownBy(step.fetch(origin)), await thrownBy(step.fetch("http://127.0.0.1:1"))];
    await step.close();
    failures.push(await thrownBy(step.jwtSvid(origin)), step.signal.reason);
    for (const value of [stint, step, ...failures]) {
      for (const text of printed(value)) expect(text).not.toMatch(/secret\d|topsecret|\b(wit|txn|dlg)\d/);
    }
    expect(inspect(step)).toBe("Step(spiffe://example.org/agent/researcher/run/r/step/s/1)");
  });

  test.for([
    { what: "a JWT-SVID", create: createJwtSvid },
    { what: "a WIT-SVID", create: createWitSvid },
    { what: "a transaction token", create: createTxnToken },
    { what: "a delegation token", create: createDelegationToken },
  ])("that is malformed is refused as $what without being repeated", ({ create }) => {
    const svid = "eyJ.topsecret\r\nx: y.sig";
    const named = { audience: "a", location: "a", runtime: "a" };
    const facts = { issuanceId: "", spiffeId, ...named, expiresAt, svid, token: svid, privateKey };
    expect(() => create(facts)).toThrow(StintError);
    try {
      create(facts);
    } catch (thrown) {
      expect(inspect(thrown)).not.toContain("topsecret");
    }
  });
});
