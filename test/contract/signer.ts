import { createPublicKey, type KeyObject, verify, X509Certificate } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Authority, KeyFamily } from "../../src/domain/authority.ts";
import { type CrlFacts, certificateList, encodeCrlEntry } from "../../src/domain/crl.ts";
import { TAG } from "../../src/domain/der.ts";
import { bitsOf, membersOf, parseDer } from "../../src/domain/der-reader.ts";
import { authorityIdOf } from "../../src/domain/public-key.ts";
import type { Recorded } from "../../src/domain/stages.ts";
import { statusListClaims } from "../../src/domain/status-list.ts";
import { addSeconds } from "../../src/domain/time.ts";
import { authorityCertificate, issuerOf, signedCertificate } from "../../src/domain/x509-profile.ts";
import type { Signer } from "../../src/ports/signer.ts";
import { NOW, recordedOf, TRUST_DOMAIN } from "../samples/credentials.ts";

/** What every signer promises, whatever keeps its keys. `open` gives a fresh one of `TRUST_DOMAIN`. */
export function signerContract(
  name: string,
  open: () => Promise<{ readonly signer: Signer; readonly close: () => Promise<void> }>,
): void {
  describe(`${name} as a signer`, () => {
    const validity = { notBefore: NOW, expiresAt: addSeconds(NOW, 86_400) };
    const toBeSigned = Buffer.from("to be signed");
    let signer: Signer;
    let close: () => Promise<void>;

    beforeEach(async () => {
      ({ signer, close } = await open());
    });
    afterEach(async () => {
      await close();
    });

    const keyOf = ({ publicKey }: Authority): KeyObject =>
      createPublicKey({ key: Buffer.from(publicKey), format: "der", type: "spki" });

    test.for([
      { family: "x509-svid", type: "ec", curve: "prime256v1" },
      { family: "jwt-svid", type: "ec", curve: "prime256v1" },
      { family: "wit-svid", type: "ec", curve: "prime256v1" },
      { family: "txn-token", type: "ec", curve: "prime256v1" },
      { family: "events", type: "ec", curve: "prime256v1" },
      { family: "ledger", type: "ed25519", curve: undefined },
    ] as const)("makes an active authority for $family with a key of its kind", async ({ family, type, curve }) => {
      const authority = await signer.create(family, validity);
      expect(authority).toMatchObject({ family, state: "active", ...validity });
      expect(keyOf(authority).asymmetricKeyType).toBe(type);
      expect(keyOf(authority).asymmetricKeyDetails?.namedCurve).toBe(curve);
      expect(authority.authorityId).toBe(authorityIdOf(authority.publicKey));
      expect(authority.certificate === undefined).toBe(family !== "x509-svid");
      expect(signer.holds(authority.authorityId)).toBe(true);
    });

    test("makes another key, id and serial number each time", async () => {
      const made = [await signer.create("x509-svid", validity), await signer.create("x509-svid", validity)];
      const certificates = made.map(({ certificate }) => new X509Certificate(certificate ?? new Uint8Array()));
      expect(new Set(made.map((one) => one.authorityId)).size).toBe(2);
      expect(new Set(certificates.map((one) => one.serialNumber)).size).toBe(2);
      expect(new Set(certificates.map((one) => one.subject)).size).toBe(2);
    });

    test("certifies its X.509 authority itself, for the trust domain and exactly that long", async () => {
      const { certificate, authorityId } = await signer.create("x509-svid", validity);
      const parsed = new X509Certificate(certificate ?? new Uint8Array());
      expect(parsed.verify(parsed.publicKey)).toBe(true);
      expect(parsed.ca).toBe(true);
      expect(parsed.subjectAltName).toBe(`URI:spiffe://${TRUST_DOMAIN}`);
      expect(parsed.subject).toBe(`O=${TRUST_DOMAIN}\nCN=Stint CA\nserialNumber=${authorityId}`);
      expect(parsed.validFromDate.getTime()).toBe(validity.notBefore * 1_000);
      expect(parsed.validToDate.getTime()).toBe((validity.expiresAt - 1) * 1_000);
    });

    test.for(["x509-svid", "jwt-svid", "wit-svid", "txn-token"] as const)(
      "signs what was recorded as a %s",
      async (kind) => {
        const authority = await signer.create(kind, validity);
        const signature = await signer.signSvid(recordedOf(kind, authority, toBeSigned));
        expect(verify("sha256", toBeSigned, keyOf(authority), signature)).toBe(true);
      },
    );

    describe("makes no signature, and says so definitely,", () => {
      async function refusedWith(change: (recorded: Recorded, other: Authority) => Recorded): Promise<void> {
        const authority = await signer.create("jwt-svid", validity);
        const other = await signer.create("x509-svid", validity);
        const recorded = change(recordedOf("jwt-svid", authority, toBeSigned), other);
        await expect(signer.signSvid(recorded)).rejects.toMatchObject({
          code: "AUTHORITY_UNAVAILABLE",
          message: "the signing authority is not available",
        });
      }

      test("for other bytes than were recorded", async () => {
        await refusedWith((recorded) => ({ ...recorded, toBeSigned: Buffer.from("something else") }));
      });

      test("with the key of another family", async () => {
        await refusedWith((_, other) => recordedOf("jwt-svid", other, toBeSigned));
      });

      test("with the key of another family that is said to be of this one", async () => {
        await refusedWith((_, other) => recordedOf("jwt-svid", { ...other, family: "jwt-svid" }, toBeSigned));
      });

      test("by another authority than was recorded", async () => {
        await refusedWith((recorded, other) => ({ ...recorded, authority: other }));
      });

      test("by an authority that it does not know", async () => {
        await refusedWith((_, other) => recordedOf("jwt-svid", { ...other, authorityId: "0".repeat(40) }, toBeSigned));
      });

      test.for(["events", "ledger"] as const satisfies readonly KeyFamily[])("with a key for %s", async (family) => {
        const authority = await signer.create(family, validity);
        await expect(signer.signSvid(recordedOf("jwt-svid", authority, toBeSigned))).rejects.toMatchObject({
          code: "AUTHORITY_UNAVAILABLE",
        });
      });
    });

    test("names the keys it holds by their family", async () => {
      expect(signer.held("jwt-svid")).toEqual([]);
      const [one, other] = [await signer.create("jwt-svid", validity), await signer.create("jwt-svid", validity)];
      const ca = await signer.create("x509-svid", validity);
      expect(signer.held("jwt-svid").toSorted()).toEqual([one.authorityId, other.authorityId].toSorted());
      expect(signer.held("x509-svid")).toEqual([ca.authorityId]);
      await signer.destroy(one.authorityId);
      expect(signer.held("jwt-svid")).toEqual([other.authorityId]);
    });

    describe("of CRLs", () => {
      const facts: CrlFacts = {
        thisUpdate: NOW,
        nextUpdate: addSeconds(NOW, 600),
        crlNumber: 7n,
        entries: [encodeCrlEntry({ serialNumber: "2a", revokedAt: NOW, reason: "superseded" })],
      };

      test("makes that of an X.509 authority from what it is to say, and signs it with that authority's key", async () => {
        const other = await signer.create("x509-svid", validity);
        const authority = await signer.create("x509-svid", validity);
        const crl = await signer.signCrl(authority, facts);
        const [signed, , signature] = membersOf(parseDer(crl, TAG.sequence), TAG.sequence, TAG.sequence, TAG.bitString);
        expect(Buffer.from(signed.encoded)).toEqual(
          Buffer.from(certificateList(issuerOf(authority.certificate ?? new Uint8Array()), facts)),
        );
        expect(verify("sha256", signed.encoded, keyOf(authority), bitsOf(signature))).toBe(true);
        expect(verify("sha256", signed.encoded, keyOf(other), bitsOf(signature))).toBe(false);
      });

      test.for(["jwt-svid", "wit-svid", "txn-token", "events", "ledger"] as const satisfies readonly KeyFamily[])(
        "makes none with a key for %s, whatever is said of it",
        async (family) => {
          const { authorityId, publicKey } = await signer.create(family, validity);
          const ofCa = { trustDomain: TRUST_DOMAIN, serialNumber: Uint8Array.of(1), publicKey, ...validity };
          const certificate = signedCertificate(authorityCertificate(ofCa), Uint8Array.of(0x30, 0));
          const forged = {
            authorityId,
            publicKey,
            certificate,
            ...validity,
            family: "x509-svid",
            state: "active",
          } as const;
          const refused = { code: "AUTHORITY_UNAVAILABLE", message: "the signing authority is not available" };
          await expect(signer.signCrl(forged, facts)).rejects.toMatchObject(refused);
        },
      );

      test("makes none in the name of another authority, or by one that it does not know", async () => {
        const authority = await signer.create("x509-svid", validity);
        const { certificate = new Uint8Array() } = await signer.create("x509-svid", validity);
        const refused = { code: "AUTHORITY_UNAVAILABLE" };
        await expect(signer.signCrl({ ...authority, certificate }, facts)).rejects.toMatchObject(refused);
        const unknown = { ...authority, authorityId: "0".repeat(40) };
        await expect(signer.signCrl(unknown, facts)).rejects.toMatchObject(refused);
        await signer.destroy(authority.authorityId);
        await expect(signer.signCrl(authority, facts)).rejects.toMatchObject(refused);
      });
    });

    describe("of status lists", () => {
      const facts = {
        issuer: "https://stint.example.org",
        list: "listlistlist",
        issuedAt: NOW,
        compressed: Uint8Array.of(1, 2, 3),
      };

      test("makes the token from what it is to say, and signs it with the key for events that is named", async () => {
        const [authority, other] = [await signer.create("events", validity), await signer.create("events", validity)];
        const token = await signer.signStatusList(authority.authorityId, facts);
        const [header = "", claims = "", signature = ""] = token.split(".");
        const read = (part: string): unknown => JSON.parse(Buffer.from(part, "base64url").toString());
        expect(read(header)).toEqual({ alg: "ES256", kid: authority.authorityId, typ: "statuslist+jwt" });
        expect(read(claims)).toEqual(statusListClaims(facts));
        const bits = Buffer.from(signature, "base64url");
        const verifies = (one: typeof authority) =>
          verify("sha256", Buffer.from(`${header}.${claims}`), { key: keyOf(one), dsaEncoding: "ieee-p1363" }, bits);
        expect([authority, other].map(verifies)).toEqual([true, false]);
      });

      test.for(["x509-svid", "jwt-svid", "wit-svid", "txn-token", "ledger"] as const satisfies readonly KeyFamily[])(
        "makes none with a key for %s",
        async (family) => {
          const { authorityId } = await signer.create(family, validity);
          const refused = { code: "AUTHORITY_UNAVAILABLE", message: "the signing authority is not available" };
          await expect(signer.signStatusList(authorityId, facts)).rejects.toMatchObject(refused);
        },
      );

      test("makes a message of the feed on a bus the same way, and none with a key for something else", async () => {
        const said = { issuer: facts.issuer, kind: "heartbeat", epoch: "e1", atMs: 1, through: 2, keys: "k" } as const;
        const { authorityId } = await signer.create("events", validity);
        const [header = "", claims = ""] = (await signer.signFeedMessage(authorityId, said)).split(".");
        const read = (part: string): unknown => JSON.parse(Buffer.from(part, "base64url").toString());
        expect(read(header)).toEqual({ alg: "ES256", kid: authorityId, typ: "stint-feed+jwt" });
        expect(read(claims)).toEqual({
          ...{ iss: facts.issuer, kind: "heartbeat", epoch: "e1" },
          ...{ at_ms: 1, through: 2, keys: "k" },
        });
        const other = await signer.create("jwt-svid", validity);
        const refused = { code: "AUTHORITY_UNAVAILABLE" };
        await expect(signer.signFeedMessage(other.authorityId, said)).rejects.toMatchObject(refused);
      });

      test("makes none with a key that is not at hand", async () => {
        const refused = { code: "AUTHORITY_UNAVAILABLE" };
        await expect(signer.signStatusList("0".repeat(40), facts)).rejects.toMatchObject(refused);
      });
    });

    test("a key that was destroyed signs no more, and destroying it again does no harm", async () => {
      const kept = await signer.create("jwt-svid", validity);
      const authority = await signer.create("jwt-svid", validity);
      await signer.destroy(authority.authorityId);
      await signer.destroy(authority.authorityId);
      await signer.destroy("0".repeat(40));
      expect(signer.holds(authority.authorityId)).toBe(false);
      expect(signer.holds(kept.authorityId)).toBe(true);
      await expect(signer.signSvid(recordedOf("jwt-svid", authority, toBeSigned))).rejects.toMatchObject({
        code: "AUTHORITY_UNAVAILABLE",
      });
      await signer.signSvid(recordedOf("jwt-svid", kept, toBeSigned));
    });
  });
}
