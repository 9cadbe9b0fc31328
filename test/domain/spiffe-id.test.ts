import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  isSpiffeId,
  parseSegment,
  parseSpiffeId,
  parseTrustDomain,
  type Segment,
  spiffeIdAt,
  stepNameOf,
  stepSpiffeId,
  trustDomainOf,
} from "../../src/domain/spiffe-id.ts";

const segment = fc.stringMatching(/^[A-Za-z0-9._-]{1,40}$/).filter((text) => text !== "." && text !== "..");

describe("an id that SPIFFE does not allow is refused, never repaired", () => {
  test.for([
    "spiffe://example.org",
    "spiffe://example.org/agent/a",
    "spiffe://10.0.0.1/x",
    "spiffe://ex_ample.org/A-b_c.d",
    `spiffe://${"a".repeat(255)}/x`,
  ])("%s is one", (id) => {
    expect(parseSpiffeId(id)).toBe(id);
  });

  test.for([
    "",
    "spiffe://",
    "spiffe:///path",
    "SPIFFE://example.org/a",
    "spiffe://Example.org/a",
    "spiffe://example.org/",
    "spiffe://example.org/a/",
    "spiffe://example.org//a",
    "spiffe://example.org/./a",
    "spiffe://example.org/a/..",
    "spiffe://example.org/%61",
    "spiffe://example.org/a?b",
    "spiffe://example.org/a#b",
    "spiffe://user@example.org/a",
    "spiffe://example.org:443/a",
    "spiffe://[::1]/a",
    "spiffe://example.org/а",
    "https://example.org/a",
    `spiffe://${"a".repeat(256)}/x`,
    `spiffe://example.org/${"a".repeat(2_048)}`,
  ])("%j is none", (id) => {
    expect(isSpiffeId(id)).toBe(false);
  });
});

test.for(["", ".", "..", "a/b", "a b", "a%2eb", "a\u0000", "ä", "a".repeat(129), "a\n", "../x"])(
  "%j is no segment: it is refused with its field, never escaped",
  (text) => {
    expect(() => parseSegment(text, "run_id")).toThrow(/^run_id: /);
  },
);

test("segments have a bound at 128 characters", () => {
  expect(parseSegment("a".repeat(128), "step")).toHaveLength(128);
});

describe("a step can always be read back from its identity", () => {
  test("whatever agent, run, step and attempt", () => {
    const trustDomain = parseTrustDomain("example.org");
    fc.assert(
      fc.property(
        segment,
        segment,
        segment,
        fc.integer({ min: 1, max: 2 ** 31 - 1 }),
        (agent, runId, step, attempt) => {
          const agentId = spiffeIdAt(trustDomain, `/agent/${agent}`);
          const id = stepSpiffeId(agentId, { runId: runId as Segment, step: step as Segment, attempt });
          expect(stepNameOf(id)).toEqual({ agent: agentId, runId, step, attempt });
          expect(trustDomainOf(id)).toBe("example.org");
        },
      ),
    );
  });

  test("names that look like the suffix do not shift it", () => {
    const agentId = spiffeIdAt(parseTrustDomain("example.org"), "/agent/run/x/step/y/3");
    const id = stepSpiffeId(agentId, { runId: "run" as Segment, step: "step" as Segment, attempt: 2 });
    expect(stepNameOf(id)).toEqual({ agent: agentId, runId: "run", step: "step", attempt: 2 });
  });

  test.for([
    "spiffe://example.org/agent/a",
    "spiffe://example.org/run/r/step/s/1",
    "spiffe://example.org/agent/a/run/r/step/s/0",
    "spiffe://example.org/agent/a/run/r/step/s/01",
    "spiffe://example.org/agent/a/run/r/step/s/1/x",
    "spiffe://example.org/agent/a/run/r/step/s/x",
  ])("%s is no step's", (id) => {
    expect(stepNameOf(parseSpiffeId(id))).toBeUndefined();
  });
});
