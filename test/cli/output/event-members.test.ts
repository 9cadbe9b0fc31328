import { expect, test } from "vitest";
import { eventMembers } from "../../../src/cli/output/event-members.ts";

const PROCESS = "4a1f0b6e-0000-4000-8000-000000000000/4026531836/4711/123456";
const SHOWN_PROCESS = {
  pid: 4_711,
  start_time_ticks: 123_456,
  pid_namespace: "4026531836",
  boot_id: "4a1f0b6e-0000-4000-8000-000000000000",
};

test("an event is told in snake case, RFC 3339 and seconds, as everything else is", () => {
  const event = {
    type: "issuance.recorded",
    v: 1,
    at: 1_795_921_942_106_575,
    issuance: {
      toBeSignedSha256: "00",
      notBefore: 1_795_921_940,
      expiresAt: 1_795_922_000,
      issuedAt: 1_795_921_942_000_000,
      audiences: ["https://mcp.example.org"],
    },
    entry: { x509SvidTtlSeconds: 60, openStepsMax: 10_000 },
    step: { opener: PROCESS, executor: "any" },
    by: { kind: "entry", process: PROCESS },
    authority: { stateSince: 1_795_921_942 },
    receipts: [{ entryId: "e", sequence: 1_795_921_942 }],
  };
  expect(eventMembers(event)).toEqual({
    type: "issuance.recorded",
    v: 1,
    at: "2026-11-29T03:12:22.106575Z",
    issuance: {
      to_be_signed_sha256: "00",
      not_before: "2026-11-29T03:12:20Z",
      expires_at: "2026-11-29T03:13:20Z",
      issued_at: "2026-11-29T03:12:22Z",
      audiences: ["https://mcp.example.org"],
    },
    entry: { x509_svid_ttl_seconds: 60, open_steps_max: 10_000 },
    step: { opener: SHOWN_PROCESS, executor: "any" },
    by: { kind: "entry", process: SHOWN_PROCESS },
    authority: { state_since: "2026-11-29T03:12:22Z" },
    receipts: [{ entry_id: "e", sequence: 1_795_921_942 }],
  });
});

test.for([null, true, "text", 5, 1.5, [[]], {}])("what is no event stays what it is: %j", (value) => {
  expect(eventMembers(value)).toEqual(value);
});

test.for([-1, 1.5, 1e300, Number.MAX_SAFE_INTEGER])("%d is no instant that can be told, and is told as it is", (at) => {
  expect(() => eventMembers({ at })).not.toThrow();
});
