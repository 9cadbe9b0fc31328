import { createPublicKey, verify } from "node:crypto";
import { createRequire } from "node:module";
import type { Handle, PKCS11 } from "pkcs11js";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openPkcs11Signer, type Pkcs11Options } from "../../../src/adapters/signer-pkcs11/signer-pkcs11.ts";
import { systemRandomness } from "../../../src/adapters/system/system-randomness.ts";
import type { Authority } from "../../../src/domain/authority.ts";
import { parseTrustDomain } from "../../../src/domain/spiffe-id.ts";
import { addSeconds } from "../../../src/domain/time.ts";
import { signerContract } from "../../contract/signer.ts";
import { NOW, recordedOf, TRUST_DOMAIN } from "../../samples/credentials.ts";
import { PIN, type SoftTokens, softTokens, TOKEN_LABEL, whyNoToken } from "./soft-token.ts";

const missing = whyNoToken();
if (missing !== undefined) process.stderr.write(`signer-pkcs11 is not tested: ${missing}\n`);

const validity = { notBefore: NOW, expiresAt: addSeconds(NOW, 86_400) };
const toBeSigned = Buffer.from("to be signed");
const keyOf = ({ publicKey }: Authority) =>
  createPublicKey({ key: Buffer.from(publicKey), format: "der", type: "spki" });

function open(tokens: SoftTokens, own: Partial<Pkcs11Options> = {}) {
  return openPkcs11Signer({
    module: tokens.module,
    tokenLabel: TOKEN_LABEL,
    pin: PIN,
    trustDomain: TRUST_DOMAIN,
    randomness: systemRandomness(),
    ...own,
  });
}

describe.skipIf(missing !== undefined)("a token", () => {
  signerContract("pkcs11", async () => {
    const tokens = softTokens();
    tokens.make();
    const { signer, close } = open(tokens);
    return {
      signer,
      async close() {
        close();
        tokens[Symbol.dispose]();
      },
    };
  });

  let tokens: SoftTokens;
  beforeEach(() => {
    tokens = softTokens();
    tokens.make();
  });
  afterEach(() => tokens[Symbol.dispose]());

  /** What any other program that knows the PIN sees in the token. */
  function withToken<T>(look: (module: PKCS11, session: Handle, constants: typeof import("pkcs11js")) => T): T {
    const constants = createRequire(import.meta.url)("pkcs11js") as typeof import("pkcs11js");
    const module = new constants.PKCS11();
    module.load(tokens.module);
    module.C_Initialize();
    try {
      const slot = module.C_GetSlotList(true).find((one) => module.C_GetTokenInfo(one).label.startsWith(TOKEN_LABEL));
      if (slot === undefined) throw new TypeError("no token");
      const session = module.C_OpenSession(slot, constants.CKF_SERIAL_SESSION | constants.CKF_RW_SESSION);
      module.C_Login(session, constants.CKU_USER, PIN);
      return look(module, session, constants);
    } finally {
      module.C_Finalize();
      module.close();
    }
  }

  function objectsOf(module: PKCS11, session: Handle, template: Parameters<PKCS11["C_FindObjectsInit"]>[1]) {
    module.C_FindObjectsInit(session, template);
    const found = module.C_FindObjects(session, 100);
    module.C_FindObjectsFinal(session);
    return found;
  }

  test("brings every key back after a restart, each for its own family only", async () => {
    const first = open(tokens);
    const jwt = await first.signer.create("jwt-svid", validity);
    const ca = await first.signer.create("x509-svid", validity);
    first.close();

    const second = open(tokens);
    expect(second.signer.held("jwt-svid")).toEqual([jwt.authorityId]);
    const signature = await second.signer.signSvid(recordedOf("jwt-svid", jwt, toBeSigned));
    expect(verify("sha256", toBeSigned, keyOf(jwt), signature)).toBe(true);
    await expect(second.signer.signSvid(recordedOf("jwt-svid", ca, toBeSigned))).rejects.toMatchObject({
      code: "AUTHORITY_UNAVAILABLE",
    });
    await second.signer.destroy(jwt.authorityId);
    second.close();

    const third = open(tokens);
    expect(third.signer.holds(jwt.authorityId)).toBe(false);
    expect(third.signer.holds(ca.authorityId)).toBe(true);
    third.close();
  });

  test("signs for as many as come at once, each what was theirs", async () => {
    const { signer, close } = open(tokens);
    const authority = await signer.create("jwt-svid", validity);
    const messages = Array.from({ length: 50 }, (_, index) => Buffer.from(`message ${index}`));
    const signatures = await Promise.all(
      messages.map((message) => signer.signSvid(recordedOf("jwt-svid", authority, message))),
    );
    for (const [index, message] of messages.entries()) {
      expect(verify("sha256", message, keyOf(authority), signatures[index] ?? new Uint8Array())).toBe(true);
    }
    close();
  });

  test("holds private keys that nobody can take out, and that the token itself made", async () => {
    const { signer, close } = open(tokens);
    const authority = await signer.create("x509-svid", validity);
    close();
    withToken((module, session, constants) => {
      const [key] = objectsOf(module, session, [{ type: constants.CKA_CLASS, value: constants.CKO_PRIVATE_KEY }]);
      if (key === undefined) throw new TypeError("no key in the token");
      const isSet = (type: number) =>
        module.C_GetAttributeValue(session, key, [{ type }])[0]?.value.some((one) => one !== 0);
      expect(isSet(constants.CKA_SENSITIVE)).toBe(true);
      expect(isSet(constants.CKA_ALWAYS_SENSITIVE)).toBe(true);
      expect(isSet(constants.CKA_NEVER_EXTRACTABLE)).toBe(true);
      expect(isSet(constants.CKA_LOCAL)).toBe(true);
      expect(isSet(constants.CKA_EXTRACTABLE)).toBe(false);
      expect(() => module.C_GetAttributeValue(session, key, [{ type: constants.CKA_VALUE }])).toThrow(
        /CKR_ATTRIBUTE_SENSITIVE/,
      );
      const [id, label] = module.C_GetAttributeValue(session, key, [
        { type: constants.CKA_ID },
        { type: constants.CKA_LABEL },
      ]);
      expect(id?.value.toString("hex")).toBe(authority.authorityId);
      expect(label?.value.toString()).toBe("stint:example.org:x509-svid");
    });
  });

  test("of a destroyed key keeps neither half", async () => {
    const { signer, close } = open(tokens);
    const { authorityId } = await signer.create("jwt-svid", validity);
    await signer.destroy(authorityId);
    close();
    withToken((module, session) => expect(objectsOf(module, session, [])).toEqual([]));
  });

  test("that a crash left half made is made tidy at the next start, and nothing else in it is touched", async () => {
    const first = open(tokens);
    const { authorityId } = await first.signer.create("jwt-svid", validity);
    first.close();
    const pair = (label: string) =>
      withToken((module, session, constants) => {
        const attributes = [
          { type: constants.CKA_TOKEN, value: true },
          { type: constants.CKA_LABEL, value: label },
        ];
        const parameters = { type: constants.CKA_EC_PARAMS, value: Buffer.from("06082a8648ce3d030107", "hex") };
        module.C_GenerateKeyPair(
          session,
          { mechanism: constants.CKM_EC_KEY_PAIR_GEN },
          [...attributes, parameters],
          attributes,
        );
      });
    pair("stint:example.org:unfinished");
    pair("somebody else's");
    const second = open(tokens);
    expect(second.signer.held("jwt-svid")).toEqual([authorityId]);
    second.close();
    withToken((module, session) => expect(objectsOf(module, session, [])).toHaveLength(4));
  });

  test("is shared by trust domains without either seeing the other's keys", async () => {
    const first = open(tokens);
    await first.signer.create("jwt-svid", validity);
    first.close();
    const other = open(tokens, { trustDomain: parseTrustDomain("example.com") });
    expect(other.signer.held("jwt-svid")).toEqual([]);
    other.close();
  });

  test("whose key stands under another's id does not lend it", async () => {
    const first = open(tokens);
    const { authorityId } = await first.signer.create("jwt-svid", validity);
    first.close();
    withToken((module, session, constants) => {
      for (const object of objectsOf(module, session, [])) {
        module.C_SetAttributeValue(session, object, [{ type: constants.CKA_ID, value: Buffer.alloc(20, 7) }]);
      }
    });
    const second = open(tokens);
    expect(second.signer.held("jwt-svid")).toEqual([]);
    expect(second.signer.holds(authorityId)).toBe(false);
    second.close();
  });

  test.for<{ readonly what: string; readonly own: Partial<Pkcs11Options>; readonly detail: string }>([
    { what: "a wrong PIN", own: { pin: "wrong-and-secret" }, detail: "CKR_PIN_INCORRECT" },
    { what: "a label that no token has", own: { tokenLabel: "other" }, detail: "no token has the configured label" },
    { what: "a module that is not there", own: { module: "/nowhere/module.so" }, detail: "the module can't be loaded" },
  ])("is not opened with $what; the caller is not told why, the operator is, and nobody the PIN", ({ own, detail }) => {
    let thrown: unknown;
    try {
      open(tokens, own);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ code: "AUTHORITY_UNAVAILABLE", message: "the key manager can't be used", detail });
    const told = `${String(thrown)} ${JSON.stringify(thrown)} ${(thrown as Error).stack}`;
    for (const secret of [PIN, "wrong-and-secret"]) expect(told).not.toContain(secret);
    open(tokens).close();
  });

  test("is not opened where two have the label", () => {
    tokens.make();
    expect(() => open(tokens)).toThrow(
      expect.objectContaining({ detail: "more than one token has the configured label" }),
    );
  });

  test("that was taken away makes no signature, and says so definitely", async () => {
    const { signer, close } = open(tokens);
    const authority = await signer.create("jwt-svid", validity);
    close();
    await expect(signer.signSvid(recordedOf("jwt-svid", authority, toBeSigned))).rejects.toMatchObject({
      code: "AUTHORITY_UNAVAILABLE",
      message: "the signing authority is not available",
    });
  });
});
