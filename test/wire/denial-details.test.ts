import { fromBinary, toJson } from "@bufbuild/protobuf";
import { Metadata } from "@grpc/grpc-js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  DENIAL_LAYERS,
  type DenialDetails,
  DeniedError,
  type RefusedElement,
} from "../../src/domain/denial-details.ts";
import { ACTIONS, type GrantElement } from "../../src/domain/grant.ts";
import { DenialDetailsSchema } from "../../src/gen/stint/v1/errors_pb.js";
import { stintErrorOf } from "../../src/sdk/runtime/stint-error.ts";
import { callErrorOf } from "../../src/wire/call-error.ts";
import { decodeDenialDetails, encodeDenialDetails } from "../../src/wire/denial-details.ts";
import { STATUS_DETAILS_KEY } from "../../src/wire/error-info.ts";
import { serviceErrorOf } from "../../src/wire/service-error.ts";

const SEARCH: GrantElement = {
  type: "mcp_tool",
  locations: ["https://mcp.example.org/search"],
  identifier: "search",
  actions: ["write"],
  datatypes: ["internal"],
};

const element: fc.Arbitrary<GrantElement> = fc.record({
  type: fc.constant("mcp_tool" as const),
  locations: fc.array(fc.webUrl(), { minLength: 1, maxLength: 32 }),
  identifier: fc.constantFrom("search", "*", "write_file"),
  actions: fc.subarray([...ACTIONS], { minLength: 1 }),
  datatypes: fc.array(fc.string({ minLength: 1, maxLength: 128 }), { minLength: 1, maxLength: 32 }),
});
const refused: fc.Arbitrary<RefusedElement> = fc.record({ element, layer: fc.constantFrom(...DENIAL_LAYERS) });
const denial: fc.Arbitrary<DenialDetails> = fc.record(
  {
    decisionId: fc.constant("dec_019aab20-5d00-7abc-8def-000000000004"),
    refused: fc.array(refused, { maxLength: 64, size: "max" }),
    refusedOmitted: fc.constant(0),
    refusesWhole: fc.boolean(),
    approval: fc.constantFrom("operators", "finance"),
  },
  { requiredKeys: ["decisionId", "refused", "refusedOmitted", "refusesWhole"] },
);

describe("DenialDetails on the wire", () => {
  test("has these members", () => {
    const bytes = encodeDenialDetails({
      decisionId: "dec_1",
      refused: [
        { element: SEARCH, layer: "ceiling" },
        { element: SEARCH, layer: "parent" },
        { element: SEARCH, layer: "policy" },
      ],
      refusedOmitted: 0,
      refusesWhole: true,
      approval: "operators",
    });
    const shown = {
      type: "mcp_tool",
      locations: ["https://mcp.example.org/search"],
      identifier: "search",
      actions: ["write"],
      datatypes: ["internal"],
    };
    expect(toJson(DenialDetailsSchema, fromBinary(DenialDetailsSchema, bytes))).toEqual({
      decisionId: "dec_1",
      refused: [
        { element: shown, layer: "DENIAL_LAYER_CEILING" },
        { element: shown, layer: "DENIAL_LAYER_PARENT" },
        { element: shown, layer: "DENIAL_LAYER_POLICY" },
      ],
      refusesWhole: true,
      approval: "operators",
    });
  });

  test("fits into trailers whatever was refused, and says how much was left out", () => {
    fc.assert(
      fc.property(denial, (given) => {
        const bytes = encodeDenialDetails(given);
        expect(bytes.length).toBeLessThanOrEqual(4_096);
        const read = decodeDenialDetails(bytes);
        expect(read).toEqual({
          ...given,
          refused: given.refused.slice(0, read?.refused.length),
          refusedOmitted: given.refused.length - (read?.refused.length ?? 0),
        });
      }),
    );
  });

  test("leaves nothing out that fits", () => {
    const many = { decisionId: "dec_1", refusedOmitted: 0, refusesWhole: false };
    const of = (count: number) => ({ ...many, refused: Array(count).fill({ element: SEARCH, layer: "policy" }) });
    expect(decodeDenialDetails(encodeDenialDetails(of(40)))?.refusedOmitted).toBe(0);
    expect(decodeDenialDetails(encodeDenialDetails(of(64)))?.refusedOmitted).toBeGreaterThan(0);
  });

  test("is nothing in bytes that are no such message, and reading them does not throw", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void decodeDenialDetails(bytes)));
  });

  test("counts what this version can't understand among what was left out", () => {
    const bytes = encodeDenialDetails({
      ...{ decisionId: "dec_1", refusedOmitted: 0, refusesWhole: false },
      refused: [{ element: { ...SEARCH, actions: ["teleport" as "read"] }, layer: "policy" }],
    });
    expect(decodeDenialDetails(bytes)).toMatchObject({ refused: [], refusedOmitted: 1 });
  });
});

describe("a denial that a decision stands behind", () => {
  const given: DenialDetails = {
    decisionId: "dec_1",
    refused: [{ element: SEARCH, layer: "policy" }],
    refusedOmitted: 0,
    refusesWhole: false,
  };
  const answer = () => serviceErrorOf(new DeniedError("POLICY_DENIED", "no", { denial: given }));

  test("reaches the caller with ErrorInfo and details, and is typed in the runtime's SDK", () => {
    expect(callErrorOf(answer())).toMatchObject({
      info: { reason: "POLICY_DENIED", domain: "stint", metadata: { decision_id: "dec_1" } },
      denial: given,
    });
    expect(stintErrorOf(answer())).toMatchObject({ reason: "POLICY_DENIED", denial: given });
  });

  test("is a refusal all the same for whoever knows no details, and from a broker that gives none", () => {
    const old = answer();
    const [details] = old.metadata.get(STATUS_DETAILS_KEY) as Buffer[];
    const metadata = new Metadata();
    metadata.set(
      STATUS_DETAILS_KEY,
      Buffer.from(String(details?.toString("latin1")).replace("stint.v1.D", "stint.v9.D"), "latin1"),
    );
    expect(stintErrorOf(Object.assign(old, { metadata }))).toMatchObject({
      reason: "POLICY_DENIED",
      denial: undefined,
      metadata: { decision_id: "dec_1" },
    });
  });
});
