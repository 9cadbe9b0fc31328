import { expect, test } from "vitest";
import { systemRandomness } from "../../src/adapters/system/system-randomness.ts";
import { digestOfJoinToken, nameInJoinToken, newJoinToken } from "../../src/attest/join-token.ts";
import { parseSegment } from "../../src/domain/spiffe-id.ts";

const nameOf = (text: string) => parseSegment(text, "name");
const SECRET = "A".repeat(43);

// Pinned: operators and scanners of leaked secrets know them by it.
test("a join token is stint-join, its name, and 32 random bytes in base64url", () => {
  const random = { bytes: (count: number) => new Uint8Array(count).fill(0xff) };
  expect(newJoinToken(nameOf("worker"), random)).toBe("stint-join-worker-__________________________________________8");
});

test.for(["worker", "a-b", "-", "stint-join-x", "x".repeat(128), `worker-${SECRET}`, "._-"])(
  "the name %s is read back from its token",
  (name) => {
    expect(nameInJoinToken(newJoinToken(nameOf(name), systemRandomness()))).toBe(name);
  },
);

test.for([
  { what: "without its prefix", text: `worker-${SECRET}` },
  { what: "without a name", text: `stint-join--${SECRET}` },
  { what: "with a shorter secret", text: `stint-join-worker-${SECRET.slice(1)}` },
  { what: "with another alphabet", text: `stint-join-worker-${"+".repeat(43)}` },
  { what: "with something behind it", text: `stint-join-worker-${SECRET}\n` },
  { what: "with something before it", text: ` stint-join-worker-${SECRET}` },
  { what: "with a name that is too long", text: `stint-join-${"x".repeat(129)}-${SECRET}` },
  { what: "with a name that is no segment", text: `stint-join-a/b-${SECRET}` },
])("a token $what is none", ({ text }) => {
  expect(nameInJoinToken(text)).toBeUndefined();
});

test("no two are the same, and what the ledger knows of one is its SHA-256", () => {
  const random = systemRandomness();
  const [one, other] = [newJoinToken(nameOf("worker"), random), newJoinToken(nameOf("worker"), random)];
  expect(one).not.toBe(other);
  expect(digestOfJoinToken(one)).toMatch(/^[0-9a-f]{64}$/);
  expect(digestOfJoinToken(one)).not.toBe(digestOfJoinToken(other));
});
