import { expect, test } from "vitest";
import { findingsOf, LEAST } from "./config-files.ts";

const agent = (members: string): string =>
  `${LEAST}entries:\n  - kind: agent\n    name: a\n    selectors: ["unix:uid:1001"]\n    ${members}\n`;
const SECONDS = "expected a whole number from 10 s to 3600 s";
const TIME = "expected a time such as 90s, 5m or 1h, or a number of seconds";

test.for<{ readonly what: string; readonly text: string; readonly findings: readonly string[] }>([
  {
    what: "a key that is misspelled",
    text: `${LEAST}data_direktory: /x\n`,
    findings: [
      "stint.yaml:3:1: data_direktory: no such key; expected trust_domain, issuer, data_directory, workload, operator, http, operations, console, broker, nodes, attestation, limits, workers, ledger, standby, log, tracing, authority, wit_svid, status_lists, ssf, nats, key_manager, upstream_authority, federation, principals, policies, approvals, tools, closures, retention, exchanges, development, entries",
    ],
  },
  {
    what: "a key in the wrong place, below",
    text: `${LEAST}workload:\n  socket: /run/w.sock\n  group: staff\n`,
    findings: ["stint.yaml:5:3: workload.group: no such key; expected socket, mode, crl_on_streams"],
  },
  {
    what: "every unknown key, each at its own line",
    text: `${LEAST}one: 1\ntwo: 2\n`,
    findings: [
      expect.stringMatching(/^stint\.yaml:3:1: one: /),
      expect.stringMatching(/^stint\.yaml:4:1: two: /),
    ] as never,
  },
  {
    what: "the same key twice",
    text: `${LEAST}issuer: https://other.example.org\n`,
    findings: ["stint.yaml:3:1: the same key a second time"],
  },
  {
    what: "a message bus in plain text on another machine",
    text: `${LEAST}http: {plain_on_loopback: true}\nnats: {servers: ["nats://nats.example.org:4222"]}\n`,
    findings: [
      expect.stringMatching(/^stint\.yaml:4:18: nats\.servers\[0\]: expected tls:\/\/, a host's name and port/),
    ] as never,
  },
  {
    what: "a message bus that is known by its address alone",
    text: `${LEAST}http: {plain_on_loopback: true}\nnats: {servers: ["tls://192.0.2.1:4222"]}\n`,
    findings: [
      expect.stringMatching(/^stint\.yaml:4:18: nats\.servers\[0\]: expected tls:\/\/, a host's name and port/),
    ] as never,
  },
  {
    what: "a login in the address of a message bus",
    text: `${LEAST}http: {plain_on_loopback: true}\nnats: {servers: ["tls://user:secret@nats.example.org:4222"]}\n`,
    findings: [
      expect.stringMatching(/^stint\.yaml:4:18: nats\.servers\[0\]: expected tls:\/\/, a host's name and port/),
    ] as never,
  },
  {
    what: "a message bus that is no server",
    text: `${LEAST}http: {plain_on_loopback: true}\nnats: {servers: []}\n`,
    findings: ["stint.yaml:4:17: nats.servers: expected one server or more"],
  },
  {
    what: "a message bus half in plain text, with files for TLS and two logins",
    text: `${LEAST}http: {plain_on_loopback: true}\nnats:\n  servers: ["tls://n.example.org:4222", "nats://127.0.0.1:4222"]\n  tls: {certificate: /c.pem}\n  user: u\n  nkey_seed_file: /s\n  credentials_file: /c\n`,
    findings: [
      "stint.yaml:5:12: nats.servers: expected tls:// in all of them, or in none",
      "stint.yaml:5:3: nats.password_file: expected user and password_file, or neither",
      "stint.yaml:6:8: nats.tls: expected tls:// servers with it",
      "stint.yaml:6:8: nats.tls: expected certificate and private_key, or neither",
      "stint.yaml:9:21: nats.credentials_file: expected one of credentials_file, nkey_seed_file and password_file",
    ],
  },
  {
    what: "a message bus without the place where its keys are fetched",
    text: `${LEAST}nats: {servers: ["nats://127.0.0.1:4222"], subject: "a b"}\n`,
    findings: [
      "stint.yaml:3:53: nats.subject: expected words of letters, digits, - and _ with dots between them, e.g. stint.example",
      "stint.yaml:3:7: nats: expected http too, which serves this",
    ],
  },
  {
    what: "a broker endpoint that is nowhere",
    text: `${LEAST}broker:\n  callers: []\n`,
    findings: ["stint.yaml:4:3: broker: expected socket, listen or both"],
  },
  {
    what: "a caller of the broker endpoint twice, and a reference that nobody knows",
    text: `${LEAST}broker:\n  listen: 127.0.0.1:1\n  callers:\n    - {spiffe_id: spiffe://a/b, references: []}\n    - {spiffe_id: spiffe://a/b, references: []}\n    - {spiffe_id: spiffe://a/c, references: [{type: pid}]}\n`,
    findings: [
      expect.stringMatching(
        /^stint\.yaml:8:.*: broker\.callers\[2\]\.references\[0\]\.type: expected one of stint\.v1/,
      ),
    ] as never,
  },
  {
    what: "a missing trust domain",
    text: "issuer: https://stint.example.org\n",
    findings: ["stint.yaml:1:1: trust_domain: missing; expected a trust domain in lower case, e.g. example.org"],
  },
  {
    what: "an upper-case trust domain",
    text: "trust_domain: Example.org\nissuer: https://stint.example.org\n",
    findings: ["stint.yaml:1:15: trust_domain: expected a trust domain in lower case, e.g. example.org"],
  },
  {
    what: "a value left out",
    text: "trust_domain:\nissuer: https://stint.example.org\n",
    findings: ["stint.yaml:1:14: trust_domain: expected a trust domain in lower case, e.g. example.org"],
  },
  ...["http://stint.example.org", "http://127.0.0.1:8443"].map((issuer) => ({
    what: `the issuer ${issuer} outside of development`,
    text: `trust_domain: example.org\nissuer: ${issuer}\n`,
    findings: ["stint.yaml:2:9: issuer: expected an https URL; http is for development: true with a loopback address"],
  })),
  {
    what: "a plain-HTTP issuer that is not on loopback, in development too",
    text: "trust_domain: example.org\nissuer: http://stint.example.org\ndevelopment: true\n",
    findings: ["stint.yaml:2:9: issuer: expected an https URL; http is for development: true with a loopback address"],
  },
  ...[
    "https://stint.example.org/",
    "https://STINT.example.org",
    "https://u:p@e.org",
    "https://e.org?x=1",
    "spiffe://e.org",
    "e.org",
  ].map((issuer) => ({
    what: `the issuer ${issuer}`,
    text: `trust_domain: example.org\nissuer: "${issuer}"\n`,
    findings: ["stint.yaml:2:9: issuer: expected an https URL without trailing slash, e.g. https://stint.example.org"],
  })),
  ...["data", "./data", "/a/../b", "/data/", "/", ""].map((path) => ({
    what: `the data directory '${path}'`,
    text: `${LEAST}data_directory: "${path}"\n`,
    findings: ["stint.yaml:3:17: data_directory: expected an absolute path without '.', '..' or a trailing slash"],
  })),
  ...["30s", "13h", "soon"].map((propagation) => ({
    what: `a propagation of '${propagation}'`,
    text: `${LEAST}authority: {propagation: ${propagation}}\n`,
    findings: [`stint.yaml:3:26: authority.propagation: ${propagation === "soon" ? TIME : "expected 1m to 12h"}`],
  })),
  {
    what: "a PIN in the file",
    text: `${LEAST}key_manager: {pkcs11: {module: /m.so, token_label: t, pin: "1234"}}\n`,
    findings: ["stint.yaml:3:55: key_manager.pkcs11.pin: no such key; expected module, token_label, pin_file"],
  },
  {
    what: "an upstream authority with a key and a passphrase",
    text: `${LEAST}upstream_authority: {disk: {certificate: /ca.p12, private_key: /ca.key, passphrase_file: /ca.txt}}\n`,
    findings: [
      expect.stringMatching(/upstream_authority.disk.passphrase_file: expected this or private_key, not both/),
    ] as never,
  },
  {
    what: "an upstream authority without its key",
    text: `${LEAST}upstream_authority: {disk: {certificate: /ca.pem}}\n`,
    findings: [
      expect.stringMatching(/upstream_authority.disk.private_key: missing; expected an absolute path/),
    ] as never,
  },
  {
    what: "a socket path that is longer than a socket's address",
    text: `${LEAST}workload: {socket: /${"s".repeat(107)}}\n`,
    findings: [
      "stint.yaml:3:20: workload.socket: expected an absolute path of at most 107 bytes, all that a socket's address holds",
    ],
  },
  ...["0660", "432", '"660"', '"0999"', '"1777"'].map((mode) => ({
    what: `the socket mode ${mode}`,
    text: `${LEAST}workload: {mode: ${mode}}\n`,
    findings: ['stint.yaml:3:18: workload.mode: expected a mode in quotes, e.g. "0660"'],
  })),
  ...[
    "localhost:8443",
    "127.0.0.1",
    "127.0.0.1:65536",
    "127.0.0.1:-1",
    "300.0.0.1:80",
    "::1:8443",
    "[127.0.0.1]:80",
    ":8443",
  ].map((listen) => ({
    what: `the address ${listen}`,
    text: `${LEAST}http: {plain_on_loopback: true, listen: "${listen}"}\n`,
    findings: ["stint.yaml:3:41: http.listen: expected an IP address and a port, e.g. 127.0.0.1:8443 or [::1]:8443"],
  })),
  {
    what: "a listener neither protected nor said to be plain",
    text: `${LEAST}http: {listen: "127.0.0.1:1"}\n`,
    findings: ["stint.yaml:3:7: http: expected tls, own_svid: true, or plain_on_loopback: true"],
  },
  {
    what: "a listener both protected and plain",
    text: `${LEAST}operations:\n  plain_on_loopback: true\n  tls: {certificate: /c, private_key: /k}\n`,
    findings: ["stint.yaml:4:3: operations: expected one of tls, own_svid and plain_on_loopback, not several"],
  },
  {
    what: "an attestation endpoint with no certificate to show",
    text: `${LEAST}attestation: {listen: "127.0.0.1:1"}\n`,
    findings: ["stint.yaml:3:14: attestation: expected one of tls and own_svid: true"],
  },
  {
    what: "an attestation endpoint with two",
    text: `${LEAST}attestation:\n  listen: "127.0.0.1:1"\n  own_svid: true\n  tls: {certificate: /c, private_key: /k}\n`,
    findings: ["stint.yaml:4:3: attestation: expected one of tls and own_svid: true"],
  },
  {
    what: "plain HTTP to the world",
    text: `${LEAST}http: {plain_on_loopback: true, listen: "0.0.0.0:80"}\n`,
    findings: [
      "stint.yaml:3:41: http.listen: expected a loopback address, or tls: plain HTTP is for this machine alone",
    ],
  },
  {
    what: "half a certificate",
    text: `${LEAST}http: {tls: {certificate: /c}}\n`,
    findings: [
      "stint.yaml:3:13: http.tls.private_key: missing; expected an absolute path without '.', '..' or a trailing slash",
    ],
  },
  ...["Stint.example.org", "https://e.org", "e.org/x", "*", "a b", ""].map((host) => ({
    what: `the host '${host}'`,
    text: `${LEAST}http: {plain_on_loopback: true, hosts: [ok.example.org, "${host}"]}\n`,
    findings: [
      "stint.yaml:3:57: http.hosts[1]: expected a host name in lower case, with its port or for any port, e.g. stint.example.org",
    ],
  })),
  {
    what: "a group that this machine does not have",
    text: `${LEAST}operator: {group: nobody-knows}\n`,
    findings: [
      "stint.yaml:3:19: operator.group: expected a group of this machine; for one that /etc/group does not have, its id",
    ],
  },
  {
    what: "a level of logging that there is not",
    text: `${LEAST}log: {level: INFO}\n`,
    findings: ["stint.yaml:3:14: log.level: expected one of fatal, error, warn, info, debug, trace"],
  },
  ...["0", "-1", "1.5", "1e9", '"5"', "true", ".nan", "[1]"].map((count) => ({
    what: `the count ${count}`,
    text: `${LEAST}limits: {watchers: ${count}}\n`,
    findings: ["stint.yaml:3:20: limits.watchers: expected a whole number from 1 to 100000"],
  })),
  {
    what: "YAML's other yes",
    text: `${LEAST}development: yes\n`,
    findings: ["stint.yaml:3:14: development: expected true or false"],
  },
  ...["0", "-1", "9", "3601", "1e9", "10.5", "9s", "2h"].map((ttl) => ({
    what: `the TTL ${ttl}`,
    text: agent(`jwt_svid_ttl: ${ttl}`),
    findings: [`stint.yaml:7:19: entries[0].jwt_svid_ttl: ${SECONDS}`],
  })),
  ...['"5"', '"5 m"', "5M", "1h30m", "-5s", "true", ".nan", ".inf"].map((ttl) => ({
    what: `the TTL ${ttl}, which is no time`,
    text: agent(`x509_svid_ttl: ${ttl}`),
    findings: [`stint.yaml:7:20: entries[0].x509_svid_ttl: ${TIME}`],
  })),
  {
    what: "an entry of no known kind",
    text: `${LEAST}entries:\n  - kind: role\n    name: x\n`,
    findings: ["stint.yaml:4:11: entries[0].kind: expected one of agent, runtime, verifier, operator, node"],
  },
  {
    what: "an entry that is text",
    text: `${LEAST}entries: [researcher]\n`,
    findings: [
      "stint.yaml:3:11: entries[0]: expected a mapping with a kind: agent, runtime, verifier, operator or node",
    ],
  },
  {
    what: "another kind's key in an entry",
    text: agent("role: admin"),
    findings: [
      "stint.yaml:7:5: entries[0].role: no such key; expected kind, name, selectors, spiffe_id_template, ceiling, audiences, exchange_audiences, jwt_svid_ttl, x509_svid_ttl, step_duration_max, may_open, allow_any_executor, allow_executor_tree, executor_open_steps_max, allow_descendants, allow_multiple_audiences, federates_with",
    ],
  },
  {
    what: "a selector that nothing attests",
    text: `${LEAST}entries:\n  - {kind: operator, name: o, role: admin, selectors: [docker:label:a]}\n`,
    findings: [
      "stint.yaml:4:55: entries[0].selectors: expected a selector of the kinds unix:uid, unix:gid, unix:supplementary_gid, unix:user, unix:group, unix:path, systemd:unit, unix:sha256, oidc:iss, oidc:sub, oidc:claim, k8s:cluster, k8s:ns, k8s:sa, k8s:sa-uid, k8s:pod-name, k8s:pod-uid, k8s:node-name, x509pop:ca, x509pop:subject, x509pop:serial_number, x509pop:san, join_token:name, node:name, node:group",
    ],
  },
  {
    what: "a user id that is a name",
    text: `${LEAST}entries:\n  - {kind: operator, name: o, role: admin, selectors: ["unix:uid:root"]}\n`,
    findings: ["stint.yaml:4:55: entries[0].selectors: unix:uid: takes a user id"],
  },
  {
    what: "an unknown member of the ceiling",
    text: agent("ceiling:\n      - {type: mcp_tool, tool: x}"),
    findings: [
      "stint.yaml:8:9: entries[0].ceiling[0]: expected only the members type, locations, identifier, actions, datatypes, max_calls, definition_sha256",
    ],
  },
  {
    what: "an action that there is not, deep in a ceiling",
    text: agent(
      "ceiling:\n      - type: mcp_tool\n        locations: ['*']\n        identifier: '*'\n        actions: [run]\n        datatypes: [x]",
    ),
    findings: [
      "stint.yaml:11:18: entries[0].ceiling[0].actions: expected of read, write, execute, retrieve_secret, move_data",
    ],
  },
  {
    what: "two entries of one kind and name",
    text: `${LEAST}entries:\n  - {kind: operator, name: o, role: admin, selectors: ["unix:uid:1"]}\n  - {kind: operator, name: o, role: viewer, selectors: ["unix:uid:2"]}\n`,
    findings: ["stint.yaml:5:28: entries[1].name: expected a name that no other of its kind has"],
  },
  {
    what: "a standby of a ledger that has PostgreSQL's",
    text: `${LEAST}ledger: {postgres: {replica: a, host: 127.0.0.1, database: d, user: u, password_file: /p, plain_on_loopback: true}}\nstandby: {of: "a:1", attestation: "a:2", bundle: /b, identity: {certificate: /c, private_key: /k}}\n`,
    findings: [
      "stint.yaml:4:10: standby: expected none with ledger.postgres: a standby of that ledger is PostgreSQL's own",
    ],
  },
  {
    what: "each of two entries that are wrong",
    text: `${LEAST}entries:\n  - {kind: operator, name: '..', role: admin, selectors: ["unix:uid:1"]}\n  - {kind: operator, name: p, role: root, selectors: ["unix:uid:2"]}\n`,
    findings: [
      "stint.yaml:4:28: entries[0].name: expected 1 to 128 characters A-Z, a-z, 0-9, '.', '_', '-', and not '.' or '..'",
      "stint.yaml:5:37: entries[1].role: expected one of viewer, approver, detector, admin, standby",
    ],
  },
])("names place and expectation of $what", ({ text, findings }) => {
  expect(findingsOf(text)).toEqual(findings);
});

test("never repeats a value: what stands in the wrong place may be a secret", () => {
  const secret = "hunter2-hunter2";
  const findings = findingsOf(
    `trust_domain: "${secret} X"\nissuer: ${secret}\nlog: {level: ${secret}}\nlimits: {watchers: ${secret}}\nhttp: ${secret}\n`,
    { STINT_DATA_DIRECTORY: secret },
  );
  expect(findings).toHaveLength(6);
  expect(findings.join("\n")).not.toContain(secret);
});
