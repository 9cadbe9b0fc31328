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

test("an engine outside of the broker is in the words of the broker, and what is unsafe about it is a warning at its key", () => {
  const { policies, warnings } = load(`${LEAST}policies: {external: {opa: {url: "http://127.0.0.1:8181"}}}`);
  expect(policies.external?.opa).toMatchObject({
    url: "http://127.0.0.1:8181",
    timeoutSeconds: 2,
    insteadOfCedar: false,
  });
  expect(warnings).toEqual([
    expect.objectContaining({
      key: "policies.external.opa.url",
      message: expect.stringContaining("any program of this machine may listen there"),
    }),
  ]);
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
    what: "policies that nothing would evaluate",
    text: `${LEAST}policies: {directory: /etc/stint/policies, external: {opa: {url: "http://127.0.0.1:181", instead_of_cedar: true}}}`,
    message: "policies.directory: expected none: nothing would evaluate it where OPA decides instead_of_cedar",
  },
  {
    what: "an OPA that nothing would ask",
    text: `${LEAST}policies: {baseline: false, external: {opa: {url: "http://127.0.0.1:181"}}}`,
    message:
      "policies.external.opa: expected baseline or directory with it, or instead_of_cedar: where there are no policies OPA is not asked",
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
