import { expect, test } from "vitest";
import {
  audiencesOf,
  descendantState,
  isClosed,
  permits,
  REASON_OF_STATE,
  STEP_STATES,
} from "../../src/domain/step.ts";

test("only OPEN permits anything, and a state from the future counts as closed", () => {
  expect([...STEP_STATES, "SUSPENDED", "open", ""].filter(permits)).toEqual(["OPEN"]);
});

test("all states are closed but the two that wait and work", () => {
  expect(STEP_STATES.filter((state) => !isClosed(state))).toEqual(["PENDING_APPROVAL", "OPEN"]);
});

test("every closed state has its revocation reason", () => {
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
});

test("a descendant is cut short by its ancestor's outcome, and shares every other end", () => {
  const states = STEP_STATES.filter(isClosed).map((state) => [state, descendantState(state)]);
  expect(Object.fromEntries(states)).toEqual({
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

test("a step has credentials for the locations of its grant and for its audiences, each once", () => {
  const element = (...locations: readonly string[]) =>
    ({ type: "mcp_tool", locations, identifier: "*", actions: ["read"], datatypes: ["internal"] }) as const;
  const grant = [element("https://a.example", "https://b.example"), element("https://b.example")];
  expect(audiencesOf({ grant, audiences: ["urn:c", "https://a.example"] })).toEqual([
    "https://a.example",
    "https://b.example",
    "urn:c",
  ]);
  expect(audiencesOf({ grant: [], audiences: [] })).toEqual([]);
});
