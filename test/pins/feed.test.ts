import { expect, test } from "vitest";
import { ACTIONS } from "../../src/domain/grant.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { REVOCATION_REASONS } from "../../src/domain/revocation.ts";
import { descendantState, REASON_OF_STATE } from "../../src/domain/step.ts";
import { boundMsOf } from "../../src/sdk/verifier/freshness.ts";

// What verifiers and the broker have to agree on without ever telling each other.

test("how long a verifier may go without the feed, by action", () => {
  expect(Object.fromEntries(ACTIONS.map((action) => [action, boundMsOf({}, [action])]))).toEqual({
    read: 60_000,
    write: 15_000,
    execute: 15_000,
    retrieve_secret: 15_000,
    move_data: 15_000,
  });
  expect(boundMsOf({}, [])).toBe(60_000);
  expect(LIMITS.maxStalenessSecondsMax).toBe(60);
});

test("how long past its expiry a credential may be accepted, and its denial not be forgotten", () => {
  expect(LIMITS.verifierLeewaySeconds).toBe(5);
  expect(LIMITS.clockSkewSecondsMax).toBe(5);
});

test("why credentials end, by the state that their step ends in", () => {
  expect(REASON_OF_STATE).toEqual({
    COMPLETED: "cessationOfOperation",
    FAILED: "cessationOfOperation",
    CANCELLED: "cessationOfOperation",
    EXPIRED: "cessationOfOperation",
    ABANDONED: "cessationOfOperation",
    SUPERSEDED: "superseded",
    REVOKED: "privilegeWithdrawn",
    REFUSED: "privilegeWithdrawn",
  });
  expect(REVOCATION_REASONS).toEqual([
    "unspecified",
    "keyCompromise",
    "cACompromise",
    "affiliationChanged",
    "superseded",
    "cessationOfOperation",
    "privilegeWithdrawn",
  ]);
});

test("the state that descendants end in, by their ancestor's", () => {
  const states = Object.keys(REASON_OF_STATE) as (keyof typeof REASON_OF_STATE)[];
  expect(Object.fromEntries(states.map((state) => [state, descendantState(state)]))).toEqual({
    COMPLETED: "CANCELLED",
    FAILED: "CANCELLED",
    CANCELLED: "CANCELLED",
    EXPIRED: "EXPIRED",
    ABANDONED: "ABANDONED",
    SUPERSEDED: "SUPERSEDED",
    REVOKED: "REVOKED",
    REFUSED: "REFUSED",
  });
});

test("the limits that callers meet", () => {
  expect(LIMITS).toMatchObject({
    csrBytesMax: 16_384,
    requestBytesMax: 65_536,
    jwtMintedBytesMax: 6_144,
    jwtPresentedBytesMax: 8_192,
    grantElementsMax: 64,
    audiencesPerStepMax: 16,
    delegationDepthMax: 8,
    openStepsPerRuntimeDefault: 10_000,
    openStepsPerExecutorDefault: 256,
    openStepsPerExecutorMax: 1_000,
    stepsPerStreamMax: 64,
    issuancesPerSecondPerStep: 50,
    issuanceBurstPerStep: 100,
    segmentBytesMax: 128,
    connectionsPerUidMax: 256,
    connectionIdleMs: 900_000,
    watchersMax: 10_000,
    watcherBacklogEventsMax: 10_000,
    svidTtlSecondsMin: 10,
    svidTtlSecondsMax: 3_600,
    x509SvidTtlSecondsDefault: 300,
    jwtSvidTtlSecondsDefault: 120,
    x509BackdateSeconds: 10,
    jwtBackdateSeconds: 5,
    stepSecondsDefault: 300,
    stepSecondsMaxDefault: 900,
    stepSecondsLeftMin: 10,
    holdGraceMs: 5_000,
    holdGraceAfterRestartMs: 30_000,
    awaitReceiptsSecondsMax: 60,
    denialsRecordedPerMinute: 10,
    verifierLeewaySeconds: 5,
    foreignLeewaySeconds: 60,
    eventBytesMax: 65_535,
  });
});
