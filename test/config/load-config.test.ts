import { expect, test } from "vitest";
import { LEAST, load, warningsOf } from "./config-files.ts";

const FULL = `
trust_domain: example.org
issuer: https://stint.example.org
data_directory: /srv/stint
workload: {socket: /run/stint/w.sock, mode: "0660", crl_on_streams: true}
operator:
  socket: /run/stint/o.sock
  group: operators
http:
  listen: 0.0.0.0:8443
  tls: {certificate: /etc/stint/tls.crt, private_key: /etc/stint/tls.key}
  hosts: [keys.example.org, "keys.example.org:8443"]
operations:
  listen: "[::1]:9000"
  plain_on_loopback: true
broker:
  socket: /run/stint/b.sock
  mode: "0660"
  listen: 0.0.0.0:8445
  callers:
    - spiffe_id: spiffe://example.org/runtime/graph
      references: [{type: stint.v1.WorkflowStepReference, allow_over_tcp: true}, {type: spiffe.broker.WorkloadPIDReference}]
wit_svid: false
status_lists: true
ssf:
  transmit: true
  roots: /etc/stint/event-roots.pem
  receive: [{issuer: "https://id.example.org", jwks_uri: "https://id.example.org/keys", audience: "https://stint.example.org"}]
nats:
  servers: ["tls://nats-1.example.org:4222", "tls://nats-2.example.org:4223"]
  subject: stint.example
  replicas: 3
  tls: {ca: /etc/stint/nats-ca.pem, certificate: /etc/stint/nats.pem, private_key: /etc/stint/nats.key}
  credentials_file: /etc/stint/nats.creds
workers: 3
limits: {open_steps: 500, connections_per_uid: 32, watchers: 100}
ledger: {reserve_bytes: 33554432, disk_free_bytes_min: 134217728}
log: {level: debug}
authority: {x509_authority_days: 30, jwt_authority_days: 7, prepare_at_percent: 60, propagation: 30m}
key_manager: {pkcs11: {module: /usr/lib/module.so, token_label: stint, pin_file: /etc/stint/pin}}
upstream_authority: {disk: {certificate: /etc/stint/ca.pem, private_key: /etc/stint/ca.key}}
federation: {web_roots: /etc/stint/web-roots.pem}
approvals: {expiry: 5m}
tools: {pin: accepted}
principals: {issuers: [{issuer: https://id.example.org, audience: stint, claims: [amr]}]}
policies:
  baseline: false
  directory: /etc/stint/policies
  ratchet: principal
  data_classes: {customer: {sensitivity: restricted, security_domain: [https://crm.example/mcp]}}
entries:
  - kind: agent
    name: researcher
    selectors: ["unix:uid:1001", "unix:path:/opt/researcher/bin/run"]
    spiffe_id_template: /team/{agent}
    ceiling:
      - {type: mcp_tool, locations: ["https://mcp.example.org/mcp"], identifier: search, actions: [read], datatypes: [internal]}
    audiences: ["urn:example:vault"]
    exchange_audiences: ["urn:example:vault"]
    jwt_svid_ttl: 90s
    x509_svid_ttl: 600
    step_duration_max: 1h
    may_open: true
    allow_any_executor: true
    allow_multiple_audiences: true
    federates_with: [other.example]
  - {kind: runtime, name: graph, selectors: ["unix:user:graph", "unix:sha256:${"a".repeat(64)}"], agents: [researcher], open_steps_max: 7}
  - {kind: verifier, name: mcp-1, selectors: ["unix:uid:1003", "unix:path:/usr/bin/mcp"], audiences: ["https://mcp.example.org/mcp"], max_staleness: 30s, events_url: "https://siem.example.org/events"}
  - {kind: operator, name: alice, selectors: ["unix:uid:1004"], role: admin}
`;

test("takes every key, in the units and words of the domain", () => {
  expect(load(FULL)).toEqual({
    trustDomain: "example.org",
    issuer: "https://stint.example.org",
    dataDirectory: "/srv/stint",
    workload: { socket: "/run/stint/w.sock", mode: 0o660, crlOnStreams: true },
    operator: { socket: "/run/stint/o.sock", groupId: 500 },
    http: {
      host: "0.0.0.0",
      port: 8443,
      tls: { certificate: "/etc/stint/tls.crt", privateKey: "/etc/stint/tls.key" },
      hosts: ["keys.example.org", "keys.example.org:8443", "stint.example.org"],
    },
    operations: { host: "::1", port: 9000, hosts: [] },
    broker: {
      socket: { path: "/run/stint/b.sock", mode: 0o660 },
      listen: { host: "0.0.0.0", port: 8445 },
      callers: new Map([
        [
          "spiffe://example.org/runtime/graph",
          [
            { type: "stint.v1.WorkflowStepReference", allowOverTcp: true },
            { type: "spiffe.broker.WorkloadPIDReference", allowOverTcp: false },
          ],
        ],
      ]),
    },
    witSvid: false,
    statusLists: true,
    ssf: {
      transmit: true,
      roots: "/etc/stint/event-roots.pem",
      receive: [
        {
          issuer: "https://id.example.org",
          jwksUri: "https://id.example.org/keys",
          audience: "https://stint.example.org",
        },
      ],
    },
    nats: {
      servers: ["nats-1.example.org:4222", "nats-2.example.org:4223"],
      isTls: true,
      subject: "stint.example",
      replicas: 3,
      tls: {
        ca: "/etc/stint/nats-ca.pem",
        client: { certificate: "/etc/stint/nats.pem", privateKey: "/etc/stint/nats.key" },
      },
      login: { kind: "credentials", file: "/etc/stint/nats.creds" },
    },
    limits: { openStepsPerRuntime: 500, connectionsPerUid: 32, watchers: 100 },
    workers: 3,
    ledger: { reserveBytes: 33_554_432, diskFreeBytesMin: 134_217_728, witnesses: [] },
    log: { level: "debug" },
    authority: {
      x509AuthoritySeconds: 2_592_000,
      jwtAuthoritySeconds: 604_800,
      prepareShare: 0.6,
      propagationSeconds: 1_800,
    },
    keyManager: { kind: "pkcs11", module: "/usr/lib/module.so", tokenLabel: "stint", pinFile: "/etc/stint/pin" },
    upstreamAuthority: { certificate: "/etc/stint/ca.pem", privateKey: "/etc/stint/ca.key" },
    federation: { webRoots: "/etc/stint/web-roots.pem" },
    approvalSeconds: 300,
    principals: {
      issuers: [{ issuer: "https://id.example.org", audience: "stint", singleUse: false, claims: ["amr"] }],
    },
    leewaySeconds: new Map(),
    pinsToolsAtFirstSight: false,
    policies: {
      baseline: false,
      directory: "/etc/stint/policies",
      dataClasses: {
        ratchet: "principal",
        classes: { customer: { sensitivity: "restricted", securityDomain: ["https://crm.example/mcp"] } },
      },
    },
    exchanges: [],
    development: false,
    entries: [
      {
        kind: "agent",
        name: "researcher",
        selectors: ["unix:uid:1001", "unix:path:/opt/researcher/bin/run"],
        spiffeIdTemplate: "/team/{agent}",
        ceiling: [
          {
            type: "mcp_tool",
            locations: ["https://mcp.example.org/mcp"],
            identifier: "search",
            actions: ["read"],
            datatypes: ["internal"],
          },
        ],
        audiences: ["urn:example:vault"],
        exchangeAudiences: ["urn:example:vault"],
        jwtSvidTtlSeconds: 90,
        x509SvidTtlSeconds: 600,
        stepSecondsMax: 3_600,
        mayOpen: true,
        allowAnyExecutor: true,
        allowMultipleAudiences: true,
        federatesWith: ["other.example"],
      },
      {
        kind: "runtime",
        name: "graph",
        selectors: ["unix:user:graph", `unix:sha256:${"a".repeat(64)}`],
        agents: ["researcher"],
        openStepsMax: 7,
      },
      {
        kind: "verifier",
        name: "mcp-1",
        selectors: ["unix:uid:1003", "unix:path:/usr/bin/mcp"],
        audiences: ["https://mcp.example.org/mcp"],
        maxStalenessSeconds: 30,
        eventsUrl: "https://siem.example.org/events",
      },
      { kind: "operator", name: "alice", selectors: ["unix:uid:1004"], role: "admin" },
    ],
    warnings: [],
  });
});

test("what is not said takes the default, and no listener opens unasked", () => {
  expect(load(LEAST)).toEqual({
    trustDomain: "example.org",
    issuer: "https://stint.example.org",
    dataDirectory: "/var/lib/stint",
    workload: { socket: "/run/stint/workload.sock", mode: 0o666, crlOnStreams: false },
    witSvid: true,
    statusLists: false,
    ssf: { transmit: false, receive: [] },
    operator: { socket: "/run/stint/operator.sock" },
    limits: { openStepsPerRuntime: 10_000, connectionsPerUid: 256, watchers: 10_000 },
    workers: 0,
    ledger: { reserveBytes: 16 * 1024 * 1024, diskFreeBytesMin: 64 * 1024 * 1024, witnesses: [] },
    log: { level: "info" },
    authority: {
      x509AuthoritySeconds: 31_536_000,
      jwtAuthoritySeconds: 31_536_000,
      prepareShare: 0.5,
      propagationSeconds: 900,
    },
    federation: {},
    approvalSeconds: 600,
    principals: { issuers: [] },
    leewaySeconds: new Map(),
    pinsToolsAtFirstSight: true,
    policies: {
      baseline: true,
      dataClasses: {
        ratchet: "run",
        classes: {
          public: { sensitivity: "ordinary", securityDomain: [] },
          internal: { sensitivity: "ordinary", securityDomain: [] },
        },
      },
    },
    keyManager: { kind: "disk" },
    exchanges: [],
    development: false,
    entries: [],
    warnings: [],
  });
});

test("a runtime that does not say how many steps it may have open takes the file's limit", () => {
  const { entries } = load(
    `${LEAST}limits: {open_steps: 12}\nentries: [{kind: runtime, name: r, selectors: ["unix:uid:7"], agents: [a]}]\n`,
  );
  expect(entries).toMatchObject([{ openStepsMax: 12 }]);
});

test("anchors and aliases may spare repetition", () => {
  const { entries } = load(`${LEAST}
entries:
  - {kind: verifier, name: a, selectors: ["unix:uid:1"], audiences: &both [urn:a:1, urn:a:2]}
  - {kind: verifier, name: b, selectors: ["unix:uid:2"], audiences: *both}
`);
  expect(entries).toMatchObject([{ name: "a" }, { name: "b", audiences: ["urn:a:1", "urn:a:2"] }]);
});

test("a plain-HTTP issuer is taken in development, on loopback", () => {
  const text = "trust_domain: stint-dev.invalid\nissuer: http://127.0.0.1:8443\ndevelopment: true\n";
  expect(load(text).issuer).toBe("http://127.0.0.1:8443");
  expect(warningsOf(text)).toEqual([]);
});

test("development in a trust domain that verifiers take for real is warned of", () => {
  expect(warningsOf(`${LEAST}development: true\n`)).toEqual([
    "stint.yaml:3:14: development: in a trust domain other than stint-dev.invalid verifiers do not know that this is for development",
  ]);
});

test("a listener may show the broker's own X.509-SVID in place of a certificate's files", () => {
  const { http } = load(`${LEAST}http: {own_svid: true, listen: "0.0.0.0:8443"}\n`);
  expect(http).toMatchObject({ host: "0.0.0.0", port: 8443, tls: "own-svid" });
});

test("the attestation endpoint shows a certificate from files, or the broker's own X.509-SVID", () => {
  const own = load(`${LEAST}attestation: {own_svid: true, listen: "0.0.0.0:8445"}\n`);
  expect(own.attestation).toMatchObject({ listen: { host: "0.0.0.0", port: 8445 }, tls: "own-svid" });
  const web = load(`${LEAST}attestation: {listen: "0.0.0.0:8445", tls: {certificate: /c, private_key: /k}}\n`);
  expect(web.attestation?.tls).toEqual({ certificate: "/c", privateKey: "/k" });
  expect(load(LEAST).attestation).toBeUndefined();
});
