import { createPublicKey, hash, verify } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Authority } from "../../src/domain/authority.ts";
import { isDenial } from "../../src/domain/errors.ts";
import type { IssuanceRecord, SvidKind } from "../../src/domain/issuance.ts";
import type { Step } from "../../src/domain/step.ts";
import { addSeconds } from "../../src/domain/time.ts";
import type { RecordIssuancesAct } from "../../src/ports/issuance-acts.ts";
import type { ResultOf } from "../../src/ports/ledger-acts.ts";
import type { Signer } from "../../src/ports/signer.ts";
import { NOW } from "../samples/credentials.ts";
import { present, type World } from "./ledger-world.ts";

export type SigningFixture = {
  readonly world: World;
  /** Makes and destroys the keys that the ledger signs with. */
  readonly signer: Signer;
  /** Ids of the issuances that a signature was asked for, in this order. */
  readonly signed: () => readonly string[];
  readonly close: () => Promise<void>;
};

/** What every adapter of the ledger promises that signs what it recorded. */
export function signingContract(name: string, open: () => Promise<SigningFixture>): void {
  describe(`${name}, which signs what it recorded`, () => {
    const validity = { notBefore: NOW, expiresAt: addSeconds(NOW, 86_400) };
    let fixture: SigningFixture;
    beforeAll(async () => {
      fixture = await open();
    });
    afterAll(() => fixture.close());

    const bytesOf = (record: Pick<IssuanceRecord, "issuanceId">) => Buffer.from(`to be signed: ${record.issuanceId}`);

    function draftOf(
      step: Step,
      authority: Pick<Authority, "authorityId">,
      kind: SvidKind = "jwt-svid",
    ): IssuanceRecord {
      const record = fixture.world.record(step, { kind, authorityId: authority.authorityId });
      return { ...record, toBeSignedSha256: hash("sha256", bytesOf(record)) };
    }

    function actOf(step: Step, records: readonly IssuanceRecord[]): RecordIssuancesAct {
      const act = fixture.world.issueAct(records, { entryId: step.agentEntryId });
      return { ...act, items: act.items.map((item) => ({ ...item, toBeSigned: bytesOf(item.record) })) };
    }

    function expectSigned(
      [result]: ResultOf<"record-issuances">,
      record: IssuanceRecord,
      { publicKey }: Pick<Authority, "publicKey">,
    ): void {
      if (result === undefined || isDenial(result) || result.signing === undefined) throw new Error("not answered");
      if (isDenial(result.signing)) throw new Error(result.signing.message);
      const key = createPublicKey({ key: Buffer.from(publicKey), format: "der", type: "spki" });
      expect(verify("sha256", bytesOf(record), key, result.signing.signature)).toBe(true);
    }

    async function opened(): Promise<Step> {
      return fixture.world.open(await fixture.world.agent());
    }

    test.for(["x509-svid", "jwt-svid", "wit-svid", "txn-token"] as const)(
      "a %s, with its authority's key",
      async (kind) => {
        const step = await opened();
        const authority = await fixture.signer.create(kind, validity);
        const record = draftOf(step, authority, kind);
        expectSigned(await fixture.world.ledger.perform(actOf(step, [record])), record, authority);
      },
    );

    test("nothing that is refused, though others of the same act are signed", async () => {
      const [step, closed] = [await opened(), await opened()];
      await fixture.world.close(closed);
      const authority = await fixture.signer.create("jwt-svid", validity);
      const records = [step, closed, step].map((one) => draftOf(one, authority));
      const [first, refused, last] = await fixture.world.ledger.perform(actOf(step, records));
      expect(refused).toMatchObject({ kind: "denial", code: "STEP_CLOSED" });
      expectSigned([present(first)], present(records[0]), authority);
      expectSigned([present(last)], present(records[2]), authority);
      expect(fixture.signed()).not.toContain(records[1]?.issuanceId);
    });

    test("nothing of an act that was rolled back, and what is around it once, though the group is done twice", async () => {
      const step = await opened();
      const authority = await fixture.signer.create("jwt-svid", validity);
      const [before, half, after] = [draftOf(step, authority), draftOf(step, authority), draftOf(step, authority)];
      const used = { ...draftOf(step, authority), issuanceId: before.issuanceId };
      const acts = [[before], [half, used], [after]].map((records) => actOf(step, records));
      const answers = await Promise.allSettled(acts.map((act) => fixture.world.ledger.perform(act)));
      expect(answers.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
      const ofThese = fixture
        .signed()
        .filter((id) => [before, half, after].some(({ issuanceId }) => issuanceId === id));
      expect(ofThese).toEqual([before.issuanceId, after.issuanceId]);
    });

    test("nothing that came without its bytes: whoever recorded it has it signed", async () => {
      const step = await opened();
      const authority = await fixture.signer.create("jwt-svid", validity);
      const act = fixture.world.issueAct([draftOf(step, authority)], { entryId: step.agentEntryId });
      expect(await fixture.world.ledger.perform(act)).toEqual([{ kind: "sequenced", sequence: expect.any(Number) }]);
    });

    test.for([
      { name: "other bytes than were recorded", own: { toBeSignedSha256: "00".repeat(32) } },
      { name: "for an authority whose key it does not have", own: { authorityId: "0".repeat(40) } },
      { name: "by the key of another family", own: { kind: "txn-token" } },
    ] as const)("not $name: the row stays, and the answer says that there is no signature", async ({ own }) => {
      const step = await opened();
      const record = { ...draftOf(step, await fixture.signer.create("jwt-svid", validity)), ...own };
      const [result] = await fixture.world.ledger.perform(actOf(step, [record]));
      const signing = {
        kind: "denial",
        code: "AUTHORITY_UNAVAILABLE",
        message: "the signing authority is not available",
      };
      expect(result).toMatchObject({ kind: "sequenced", signing });
      const filter = { jti: present(record.jti), now: fixture.world.clock.now(), limit: 1 };
      expect(await fixture.world.store.history.issuances(filter)).toMatchObject([{ issuanceId: record.issuanceId }]);
    });

    test("by a key from the moment on that it is made, and no more once it is destroyed", async () => {
      const step = await opened();
      for (let times = 0; times < 10; times += 1) {
        const authority = await fixture.signer.create("jwt-svid", validity);
        const record = draftOf(step, authority);
        expectSigned(await fixture.world.ledger.perform(actOf(step, [record])), record, authority);
        const destroyed = fixture.signer.destroy(authority.authorityId);
        const [result] = await fixture.world.ledger.perform(actOf(step, [draftOf(step, authority)]));
        expect(result).toMatchObject({ signing: { code: "AUTHORITY_UNAVAILABLE" } });
        await destroyed;
      }
    });
  });
}
