import fc from "fast-check";
import { expect, test } from "vitest";
import { formatTlogProof, parseTlogProof } from "../../src/domain/tlog-proof.ts";

const CHECKPOINT = `example.org/log\n9\n${Buffer.alloc(32).toString("base64")}\n\n— example.org/log AAAAAAAA\n`;
const HASH = Buffer.alloc(32, 5).toString("base64");

test("is written in the lines of the specification", () => {
  const proof = { extra: Buffer.from("{}"), leafIndex: 8, hashes: [Buffer.alloc(32, 5)], checkpoint: CHECKPOINT };
  expect(formatTlogProof(proof)).toBe(`c2sp.org/tlog-proof@v1\nextra e30=\nindex 8\n${HASH}\n\n${CHECKPOINT}`);
});

test("what was written is read back", () => {
  const proofs = fc.record(
    {
      extra: fc.uint8Array({ maxLength: 100 }),
      leafIndex: fc.maxSafeNat(),
      hashes: fc.array(fc.uint8Array({ minLength: 32, maxLength: 32 }), { maxLength: 63 }),
      checkpoint: fc.constant(CHECKPOINT),
    },
    { requiredKeys: ["leafIndex", "hashes", "checkpoint"] },
  );
  fc.assert(
    fc.property(proofs, (proof) => {
      const read = parseTlogProof(formatTlogProof(proof));
      expect(read).toEqual(proof);
    }),
  );
});

test.for([
  { what: "another version", text: `c2sp.org/tlog-proof@v2\nindex 8\n\n${CHECKPOINT}` },
  { what: "no index", text: `c2sp.org/tlog-proof@v1\n${HASH}\n\n${CHECKPOINT}` },
  { what: "an index with leading zeros", text: `c2sp.org/tlog-proof@v1\nindex 08\n\n${CHECKPOINT}` },
  { what: "an index that no number holds", text: `c2sp.org/tlog-proof@v1\nindex 9007199254740993\n\n${CHECKPOINT}` },
  { what: "extra data that is no base64", text: `c2sp.org/tlog-proof@v1\nextra *\nindex 8\n\n${CHECKPOINT}` },
  { what: "a shorter hash", text: `c2sp.org/tlog-proof@v1\nindex 8\nAAAA\n\n${CHECKPOINT}` },
  {
    what: "more hashes than a tree has levels",
    text: `c2sp.org/tlog-proof@v1\nindex 8\n${`${HASH}\n`.repeat(64)}\n${CHECKPOINT}`,
  },
  { what: "no end of the proof", text: `c2sp.org/tlog-proof@v1\nindex 8` },
])("with $what it is no proof", ({ text }) => {
  expect(parseTlogProof(text)).toBeUndefined();
});
