import { describe, expect, test } from "vitest";
import { findingsOf, LEAST, load } from "./config-files.ts";

const ISSUER = "issuer: https://id.example.org, audience: stint";

test("an issuer of principals is in the words of the domain: tokens that count more than once, and the claims kept", () => {
  const issuers = `principals:\n  issuers:\n    - {${ISSUER}, claims: [department, amr], roots: /etc/ca.pem}\n`;
  expect(load(`${LEAST}${issuers}`).principals).toEqual({
    issuers: [
      {
        issuer: "https://id.example.org",
        audience: "stint",
        singleUse: false,
        roots: "/etc/ca.pem",
        claims: ["department", "amr"],
      },
    ],
  });
});

test("where nothing is said of principals, there is no issuer", () => {
  expect(load(LEAST).principals).toEqual({ issuers: [] });
});

describe("an issuer of principals is refused", () => {
  test.for([
    { what: "that is plain, of another machine", issuer: "issuer: http://id.example.org, audience: a", at: "issuer" },
    { what: "without an audience", issuer: "issuer: https://id.example.org", at: "audience" },
    { what: "that keeps its subject twice", issuer: `${ISSUER}, claims: [sub]`, at: "claims[0]" },
    { what: "that keeps a claim without a name", issuer: `${ISSUER}, claims: [""]`, at: "claims[0]" },
    { what: "that keeps a claim that steers a terminal", issuer: `${ISSUER}, claims: ["a\\e[2J"]`, at: "claims[0]" },
    {
      what: "that keeps a whole directory",
      issuer: `${ISSUER}, claims: [${Array.from({ length: 33 }, (_, index) => `c${index}`).join(", ")}]`,
      at: "claims",
    },
  ])("$what", ({ issuer, at }) => {
    expect(findingsOf(`${LEAST}principals: {issuers: [{${issuer}}]}\n`)).toEqual([
      expect.stringContaining(`principals.issuers[0].${at}: `),
    ]);
  });

  test("that is listed twice", () => {
    expect(findingsOf(`${LEAST}principals: {issuers: [{${ISSUER}}, {${ISSUER}}]}\n`)).toEqual([
      expect.stringContaining("principals.issuers[1].issuer: expected one that is not listed before"),
    ]);
  });
});
