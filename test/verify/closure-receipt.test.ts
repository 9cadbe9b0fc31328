import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openNoteSigner } from "../../src/adapters/signer-disk/note-signer.ts";
import { canonicalJson } from "../../src/domain/canonical-json.ts";
import { checkpointOrigin } from "../../src/domain/checkpoint.ts";
import { type ClosureReceipt, closureReceiptText } from "../../src/domain/closure-receipt.ts";
import { leafHash } from "../../src/domain/merkle-tree.ts";
import type { NoteKey } from "../../src/domain/signed-note.ts";
import { formatReceiptKey, receiptStatement, type SignedReceipt } from "../../src/domain/signed-receipt.ts";
import type { Segment, SpiffeId } from "../../src/domain/spiffe-id.ts";
import type { UnixMicros, UnixSeconds } from "../../src/domain/time.ts";
import { formatTlogProof } from "../../src/domain/tlog-proof.ts";
import type { NoteSigner } from "../../src/ports/note-signer.ts";
import { checkClosureReceipt } from "../../src/verify/closure-receipt.ts";

const ORIGIN = checkpointOrigin("example.org", "epoch_1");
const AT = 1_800_000_000_000_000 as UnixMicros;
const directory = mkdtempSync(join(tmpdir(), "stint-"));
let signer: NoteSigner;
let log: NoteKey;
beforeAll(async () => {
  signer = await openNoteSigner(directory);
  log = { name: ORIGIN, type: "ed25519", publicKey: signer.publicKey };
});
afterAll(() => rmSync(directory, { recursive: true }));

const own = generateKeyPairSync("ed25519");
const other = generateKeyPairSync("ed25519");
const keyText = (key: KeyObject) => formatReceiptKey(key.export({ format: "der", type: "spki" }).subarray(-32));

function signed(said: Partial<SignedReceipt> = {}, by = own): SignedReceipt {
  const verifier = "spiffe://example.org/verifier/one";
  const all = { verifier, epoch: "epoch_1", sequence: 1, at: AT, key: keyText(by.publicKey), ...said };
  return { ...all, signature: sign(null, receiptStatement(all), by.privateKey).toString("base64url"), ...said };
}

/** A ledger of one event: its leaf is its root. */
function proofOf(event: object): string {
  const entry = canonicalJson(event as Parameters<typeof canonicalJson>[0]);
  const checkpoint = signer.checkpoint({ origin: ORIGIN, size: 1, rootHash: leafHash(entry) });
  return formatTlogProof({ extra: entry, leafIndex: 0, hashes: [], checkpoint });
}

function receipt(more: Partial<ClosureReceipt> = {}, bySigned: SignedReceipt | undefined = signed()): ClosureReceipt {
  const place = { audience: "a", credentials: 1, latestExpiry: 1_800_000_100 as UnixSeconds, leewaySeconds: 5 };
  const verifier = { verifier: "one", audiences: ["a"], watches: true, state: "APPLIED", appliedAt: AT } as const;
  return {
    step: {
      stepId: "step_1",
      runId: "r" as Segment,
      step: "s" as Segment,
      attempt: 1,
      agent: "agent" as Segment,
      state: "COMPLETED",
      spiffeId: "spiffe://example.org/agent/agent/run/r/step/s/1" as SpiffeId,
    },
    closedSequence: 1,
    closedAt: AT,
    reason: "cessationOfOperation",
    statedAt: AT,
    closure: {
      state: "CLOSED",
      places: [{ ...place, state: "CLOSED", until: AT }],
      verifiers: [{ ...verifier, ...(bySigned === undefined ? {} : { signed: bySigned }) }],
      exchanges: [],
      latestPossibleAcceptance: AT,
    },
    stepsClosed: 1,
    steps: [{ stepId: "step_1", state: "COMPLETED" }],
    credentialsRevoked: 1,
    credentials: [],
    proof: proofOf({ type: "step.closed", at: AT, count: 1, stepId: "step_1" }),
    ...more,
  };
}

const checked = (given: ClosureReceipt) =>
  checkClosureReceipt(signer.statement(ORIGIN, closureReceiptText(given)), { log, witnesses: [] });

describe("a closure receipt", () => {
  test("is believed by the ledger's key, with and without a verifier's signature", () => {
    expect(checked(receipt())).toMatchObject({ kind: "closure", receipt: { closure: { state: "CLOSED" } } });
    const { verifiers, ...closure } = receipt().closure;
    const unsigned = verifiers.map(({ signed: _, ...one }) => one);
    expect(checked(receipt({ closure: { ...closure, verifiers: unsigned } }))).toMatchObject({ kind: "closure" });
  });

  test("is refused once any character of it is another", () => {
    const note = signer.statement(ORIGIN, closureReceiptText(receipt()));
    for (let index = 0; index < note.length - 1; index += 7) {
      const changed = note.slice(0, index) + (note[index] === "x" ? "y" : "x") + note.slice(index + 1);
      expect(checkClosureReceipt(changed, { log, witnesses: [] }).kind).toBe("refused");
    }
  });

  const lies: readonly { readonly lie: string; readonly given: () => ClosureReceipt; readonly why: RegExp }[] = [
    {
      lie: "a signature by another key",
      given: () => receipt({}, signed({ key: keyText(other.publicKey) })),
      why: /does not hold/,
    },
    { lie: "a key that is none", given: () => receipt({}, signed({ key: "ed25519:AA" })), why: /does not hold/ },
    {
      lie: "what was signed before the close",
      given: () => receipt({}, signed({ sequence: 0 })),
      why: /does not reach/,
    },
    {
      lie: "another verifier's signature",
      given: () => receipt({}, signed({ verifier: "spiffe://example.org/verifier/two" })),
      why: /another's signature/,
    },
    {
      lie: "another event's proof",
      given: () => receipt({ proof: proofOf({ type: "step.held", at: AT }) }),
      why: /is not the close/,
    },
    { lie: "fewer steps than were closed", given: () => receipt({ stepsClosed: 2 }), why: /is another/ },
    {
      lie: "a state that its places are not in",
      given: () => {
        const { closure } = receipt();
        const places = closure.places.map((place) => ({ ...place, state: "UNKNOWN" as const }));
        return receipt({ closure: { ...closure, places } });
      },
      why: /it states CLOSED, and what it lists is UNKNOWN/,
    },
  ];

  test.for(lies)("that brings $lie is refused, though the ledger's key has signed it", ({ given, why }) => {
    expect(checked(given())).toMatchObject({ kind: "refused", why: expect.stringMatching(why) });
  });
});
