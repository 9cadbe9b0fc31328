import { expect, test } from "vitest";
import { findingsOf, LEAST, load } from "./config-files.ts";

test("classes of data are in the words of the domain, and a list of them takes the place of the usual one", () => {
  const classes =
    "    customer: {sensitivity: restricted, security_domain: [https://crm.example/mcp, https://a.example]}\n" +
    "    web: {sensitivity: untrusted}\n";
  expect(
    load(
      `${LEAST}policies:\n  baseline: false\n  directory: /etc/stint/policies\n  ratchet: principal\n  data_classes:\n${classes}`,
    ).policies,
  ).toEqual({
    baseline: false,
    directory: "/etc/stint/policies",
    dataClasses: {
      ratchet: "principal",
      classes: {
        customer: { sensitivity: "restricted", securityDomain: ["https://a.example", "https://crm.example/mcp"] },
        web: { sensitivity: "untrusted", securityDomain: [] },
      },
    },
  });
});

const AT = `${LEAST}policies: {data_classes: {`;

test.for([
  {
    what: "a sensitivity that there is not",
    text: `${AT}customer: {sensitivity: secret}}}`,
    message: "policies.data_classes.customer.sensitivity: expected one of ordinary, restricted, untrusted",
  },
  {
    what: "a class that is ordinary and confines",
    text: `${AT}customer: {sensitivity: ordinary, security_domain: [https://a.example]}}}`,
    message: "policies.data_classes.customer.security_domain: expected none: a class that is ordinary confines nothing",
  },
  {
    what: "a location that no grant could have",
    text: `${AT}customer: {sensitivity: restricted, security_domain: [crm.example]}}}`,
    message:
      "policies.data_classes.customer.security_domain[0]: expected a canonical http(s) URI, e.g. https://crm.example/mcp",
  },
  {
    what: "a name that no class could have",
    text: `${AT}"a b": {sensitivity: restricted}}}`,
    message:
      "policies.data_classes.\"a b\": expected the name of a class: 1 to 128 characters A-Z, a-z, 0-9, '.', '_', '-'",
  },
  {
    what: "no mapping",
    text: `${LEAST}policies: {data_classes: [public]}`,
    message: "policies.data_classes: expected a mapping of names of classes",
  },
  {
    what: "a directory that depends on where the daemon is started",
    text: `${LEAST}policies: {directory: policies}`,
    message: "policies.directory: expected an absolute path without '.', '..' or a trailing slash",
  },
])("refuses $what", ({ text, message }) => {
  expect(findingsOf(text).join("\n")).toContain(message);
});

test("more classes than one event of the ledger holds are refused", () => {
  const classes = Array.from({ length: 257 }, (_, index) => `c${index}: {sensitivity: restricted}`);
  expect(findingsOf(`${AT}${classes.join(", ")}}}`).join("\n")).toContain("expected at most 256 classes");
});
