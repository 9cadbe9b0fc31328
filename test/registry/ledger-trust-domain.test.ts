import { expect, test } from "vitest";
import { systemRandomness } from "../../src/adapters/system/system-randomness.ts";
import { parseEntryContent } from "../../src/domain/entry-content.ts";
import type { EntryContent } from "../../src/domain/registration-entry.ts";
import { parseSegment, parseSpiffeId, parseTrustDomain } from "../../src/domain/spiffe-id.ts";
import type { UnixMicros, UnixSeconds } from "../../src/domain/time.ts";
import { checkTrustDomain, type KeptIdentities } from "../../src/registry/ledger-trust-domain.ts";
import { memorySigner } from "../memory/memory-signer.ts";

const OURS = parseTrustDomain("example.org");
const SERVER: EntryContent = { kind: "server", name: parseSegment("server", "name"), selectors: [] };
const OPERATOR = parseEntryContent({ kind: "operator", name: "o", selectors: ["unix:uid:7"], role: "admin" });
const REFUSAL =
  "trust_domain: expected example.org, which is this ledger's and can't be changed; another trust domain takes a data directory of its own";

function entry(content: EntryContent, trustDomain: string, createdAt: number): KeptIdentities["entries"][number] {
  return { content, spiffeId: parseSpiffeId(`spiffe://${trustDomain}/an/id`), createdAt: createdAt as UnixMicros };
}

async function authority(trustDomain: string): Promise<KeptIdentities["authorities"][number]> {
  const signer = memorySigner({ trustDomain: parseTrustDomain(trustDomain), randomness: systemRandomness() });
  return signer.create("x509-svid", { notBefore: 1 as UnixSeconds, expiresAt: 1_000 as UnixSeconds });
}

test.for<{ of: string; kept: () => Promise<KeptIdentities> }>([
  {
    of: "the broker's own entry, whatever other entries were written under another name",
    kept: async () => ({
      entries: [entry(OPERATOR, "other.example", 1), entry(SERVER, "example.org", 2)],
      authorities: [],
    }),
  },
  {
    of: "the oldest entry, where the ledger is older than the broker's own",
    kept: async () => ({
      entries: [entry(OPERATOR, "other.example", 2), entry(OPERATOR, "example.org", 1)],
      authorities: [],
    }),
  },
  {
    of: "the oldest certificate, where the first start was cut short before any entry was there",
    kept: async () => ({
      entries: [],
      authorities: [{}, await authority("example.org"), await authority("other.example")],
    }),
  },
])("a ledger's trust domain is that of $of", async ({ kept }) => {
  const identities = await kept();
  expect(() => checkTrustDomain(OURS, identities)).not.toThrow();
  expect(() => checkTrustDomain(parseTrustDomain("other.example"), identities)).toThrow(
    expect.objectContaining({ code: "INVALID_FIELD", message: REFUSAL, metadata: { field: "trust_domain" } }),
  );
});

test("a ledger that names nobody yet takes any trust domain", () => {
  expect(() => checkTrustDomain(OURS, { entries: [], authorities: [] })).not.toThrow();
});
