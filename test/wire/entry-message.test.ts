import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { type EntryContentInput, parseEntryContent } from "../../src/domain/entry-content.ts";
import { OPERATOR_ROLES, type RegistrationEntry } from "../../src/domain/registration-entry.ts";
import type { SpiffeId } from "../../src/domain/spiffe-id.ts";
import type { UnixMicros } from "../../src/domain/time.ts";
import { EntryContentSchema, EntrySchema } from "../../src/gen/stint/v1/entries_pb.js";
import {
  entryContentMessageOf,
  entryContentOfMessage,
  entryMessageOf,
  operatorRoleMessageOf,
  operatorRoleOf,
} from "../../src/wire/entry-message.ts";

const selectors = ["unix:uid:1001", "unix:path:/usr/bin/agent"];
const inputs: readonly EntryContentInput[] = [
  {
    kind: "agent",
    name: "researcher",
    selectors,
    spiffeIdTemplate: "/ns/prod/{agent}",
    ceiling: [
      { type: "mcp_tool", locations: ["*"], identifier: "*", actions: ["read"], datatypes: ["internal"], max_calls: 9 },
    ],
    audiences: ["urn:example:sts", "https://api.example.org"],
    exchangeAudiences: ["urn:example:sts"],
    jwtSvidTtlSeconds: 60,
    x509SvidTtlSeconds: 600,
    stepSecondsMax: 1_800,
    mayOpen: true,
    allowAnyExecutor: true,
    allowMultipleAudiences: true,
    allowExecutorTree: true,
    executorOpenStepsMax: 1_000,
    federatesWith: ["other.example"],
  },
  { kind: "agent", name: "plain", selectors },
  {
    kind: "runtime",
    name: "graph",
    selectors,
    agents: ["researcher", "writer"],
    openStepsMax: 5,
    federatesWith: ["a.example", "b.example"],
  },
  { kind: "verifier", name: "mcp-1", selectors, audiences: ["https://mcp.example.org"], maxStalenessSeconds: 15 },
  { kind: "operator", name: "ops", selectors, role: "viewer" },
];

describe("an entry's content", () => {
  test.for(inputs)("of $kind $name is the same after the wire", (input) => {
    const content = parseEntryContent(input);
    const bytes = toBinary(EntryContentSchema, create(EntryContentSchema, entryContentMessageOf(content)));
    expect(entryContentOfMessage(fromBinary(EntryContentSchema, bytes))).toEqual(content);
  });

  test("that names little takes the defaults", () => {
    const message = create(EntryContentSchema, {
      name: "graph",
      selectors,
      kind: { case: "runtime", value: { agents: ["a"] } },
    });
    expect(entryContentOfMessage(message)).toMatchObject({ kind: "runtime", openStepsMax: 10_000 });
  });

  test.for([
    { bad: "none at all", message: undefined, field: "content" },
    { bad: "of no kind known here", message: { name: "x", selectors }, field: "content.kind" },
    {
      bad: "with a fraction of a second",
      message: {
        name: "x",
        selectors,
        kind: { case: "agent" as const, value: { jwtSvidTtl: { seconds: 60n, nanos: 1 } } },
      },
      field: "content.jwt_svid_ttl",
    },
    {
      bad: "with a role not known here",
      message: { name: "x", selectors, kind: { case: "operator" as const, value: { role: 99 } } },
      field: "content.role",
    },
  ])("$bad is refused by its name", ({ message, field }) => {
    const content = message === undefined ? undefined : create(EntryContentSchema, message);
    expect(() => entryContentOfMessage(content)).toThrow(
      expect.objectContaining({ code: "INVALID_FIELD", metadata: { field } }),
    );
  });
});

test("an entry is told with its origin and revision", () => {
  const entry: RegistrationEntry = {
    entryId: "entry_1",
    spiffeId: "spiffe://example.org/agent/plain" as SpiffeId,
    origin: "config",
    disabled: true,
    revision: 3,
    createdAt: 1_790_000_000_000_000 as UnixMicros,
    updatedAt: 1_790_000_001_000_000 as UnixMicros,
    content: parseEntryContent({ kind: "agent", name: "plain", selectors }),
  };
  expect(create(EntrySchema, entryMessageOf(entry))).toMatchObject({
    entryId: "entry_1",
    origin: 1,
    disabled: true,
    revision: 3n,
    spiffeId: "spiffe://example.org/agent/plain",
    createdAt: { seconds: 1_790_000_000n },
    updatedAt: { seconds: 1_790_000_001n },
    content: { name: "plain", kind: { case: "agent" } },
  });
  expect(entryMessageOf({ ...entry, origin: "api" }).origin).toBe(2);
});

test("each role keeps its number", () => {
  expect(OPERATOR_ROLES.map((role) => operatorRoleMessageOf(role))).toEqual([1, 2, 3, 4, 5]);
  expect(OPERATOR_ROLES.map((role) => operatorRoleOf(operatorRoleMessageOf(role)))).toEqual([...OPERATOR_ROLES]);
});
