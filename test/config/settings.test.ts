import { expect, test } from "vitest";
import { explainConfig } from "../../src/config/explain-config.ts";
import { configFile, findingsOf, LEAST, load } from "./config-files.ts";

const OPTIONS = { user: { uid: 900, gids: [] } };

test.for([
  { from: "the default", file: LEAST, environment: {}, flags: {}, level: "info", source: "default" },
  {
    from: "the file",
    file: `${LEAST}log: {level: warn}\n`,
    environment: {},
    flags: {},
    level: "warn",
    source: "stint.yaml:3:14",
  },
  {
    from: "the environment before the file",
    file: `${LEAST}log: {level: warn}\n`,
    environment: { STINT_LOG_LEVEL: "error" },
    flags: {},
    level: "error",
    source: "environment STINT_LOG_LEVEL",
  },
  {
    from: "a flag before all",
    file: `${LEAST}log: {level: warn}\n`,
    environment: { STINT_LOG_LEVEL: "error" },
    flags: { "log.level": "debug" },
    level: "debug",
    source: "flag log.level",
  },
  {
    from: "the file where the variable is empty",
    file: `${LEAST}log: {level: warn}\n`,
    environment: { STINT_LOG_LEVEL: "" },
    flags: {},
    level: "warn",
    source: "stint.yaml:3:14",
  },
])("takes a setting from $from, and says so", ({ file, environment, flags, level, source }) => {
  expect(load(file, environment, { flags }).log.level).toBe(level);
  const path = configFile(file);
  const explained = explainConfig(path, environment, { ...OPTIONS, flags }).find(({ key }) => key === "log.level");
  expect(explained).toEqual({
    key: "log.level",
    value: level,
    source: source.replace("stint.yaml", path),
    variable: "STINT_LOG_LEVEL",
    description: "What is written to standard error, and everything more severe.",
  });
});

test("text from the environment becomes the kind of value that its setting takes", () => {
  const config = load("", {
    STINT_TRUST_DOMAIN: "123",
    STINT_ISSUER: "http://127.0.0.1:8080",
    STINT_DEVELOPMENT: "true",
    STINT_LIMITS_WATCHERS: "12",
    STINT_WORKLOAD_MODE: "0660",
    STINT_OPERATOR_GROUP: "operators",
    STINT_HTTP_LISTEN: "[::1]:0",
    STINT_HTTP_PLAIN_ON_LOOPBACK: "true",
  });
  expect(config).toMatchObject({
    trustDomain: "123",
    development: true,
    limits: { watchers: 12 },
    workload: { mode: 0o660 },
    operator: { groupId: 500 },
    http: { host: "::1", port: 0 },
  });
});

test("a group may be given by its id, in the file and in the environment", () => {
  expect(load(`${LEAST}operator: {group: 77}\n`).operator.groupId).toBe(77);
  expect(load(LEAST, { STINT_OPERATOR_GROUP: "77" }).operator.groupId).toBe(77);
});

test("a bad value is laid to where it came from", () => {
  const file = `${LEAST}limits: {watchers: 5}\n`;
  expect(findingsOf(file, { STINT_LIMITS_WATCHERS: "none" }, { flags: { "log.level": "loud" } })).toEqual([
    "environment STINT_LIMITS_WATCHERS: limits.watchers: expected a whole number from 1 to 100000",
    "flag log.level: log.level: expected one of fatal, error, warn, info, debug, trace",
  ]);
});

test("a section that is no mapping is refused, not replaced by what the environment says", () => {
  expect(findingsOf(`${LEAST}log: loud\n`, { STINT_LOG_LEVEL: "info" })).toEqual([
    "stint.yaml:3:6: log: expected a mapping of level",
  ]);
});

test("variables of Stint that are no setting of the daemon are not its business", () => {
  expect(findingsOf(LEAST, { STINT_OUTPUT: "json", STINT_ENTRIES: "[]", STINT___PROTO__: "x" })).toEqual([]);
});

test("every scalar setting is there, each with its variable and what it is for", () => {
  const explained = explainConfig(configFile(LEAST), {}, OPTIONS);
  expect(explained.map(({ key, variable }) => `${key} ${variable}`)).toEqual([
    "trust_domain STINT_TRUST_DOMAIN",
    "issuer STINT_ISSUER",
    "data_directory STINT_DATA_DIRECTORY",
    "workload.socket STINT_WORKLOAD_SOCKET",
    "workload.mode STINT_WORKLOAD_MODE",
    "workload.crl_on_streams STINT_WORKLOAD_CRL_ON_STREAMS",
    "operator.socket STINT_OPERATOR_SOCKET",
    "operator.group STINT_OPERATOR_GROUP",
    "http.listen STINT_HTTP_LISTEN",
    "http.tls.certificate STINT_HTTP_TLS_CERTIFICATE",
    "http.tls.private_key STINT_HTTP_TLS_PRIVATE_KEY",
    "http.own_svid STINT_HTTP_OWN_SVID",
    "http.plain_on_loopback STINT_HTTP_PLAIN_ON_LOOPBACK",
    "operations.listen STINT_OPERATIONS_LISTEN",
    "operations.tls.certificate STINT_OPERATIONS_TLS_CERTIFICATE",
    "operations.tls.private_key STINT_OPERATIONS_TLS_PRIVATE_KEY",
    "operations.own_svid STINT_OPERATIONS_OWN_SVID",
    "operations.plain_on_loopback STINT_OPERATIONS_PLAIN_ON_LOOPBACK",
    "console.url STINT_CONSOLE_URL",
    "console.session STINT_CONSOLE_SESSION",
    "console.sign_in.issuer STINT_CONSOLE_SIGN_IN_ISSUER",
    "console.sign_in.client_id STINT_CONSOLE_SIGN_IN_CLIENT_ID",
    "console.sign_in.client_secret_file STINT_CONSOLE_SIGN_IN_CLIENT_SECRET_FILE",
    "console.sign_in.roots STINT_CONSOLE_SIGN_IN_ROOTS",
    "broker.socket STINT_BROKER_SOCKET",
    "broker.mode STINT_BROKER_MODE",
    "broker.listen STINT_BROKER_LISTEN",
    "nodes.listen STINT_NODES_LISTEN",
    "attestation.listen STINT_ATTESTATION_LISTEN",
    "attestation.tls.certificate STINT_ATTESTATION_TLS_CERTIFICATE",
    "attestation.tls.private_key STINT_ATTESTATION_TLS_PRIVATE_KEY",
    "attestation.own_svid STINT_ATTESTATION_OWN_SVID",
    "attestation.x509pop.ca STINT_ATTESTATION_X509POP_CA",
    "attestation.join_token STINT_ATTESTATION_JOIN_TOKEN",
    "limits.open_steps STINT_LIMITS_OPEN_STEPS",
    "limits.connections_per_uid STINT_LIMITS_CONNECTIONS_PER_UID",
    "limits.watchers STINT_LIMITS_WATCHERS",
    "workers STINT_WORKERS",
    "ledger.reserve_bytes STINT_LEDGER_RESERVE_BYTES",
    "ledger.disk_free_bytes_min STINT_LEDGER_DISK_FREE_BYTES_MIN",
    "ledger.postgres.replica STINT_LEDGER_POSTGRES_REPLICA",
    "ledger.postgres.host STINT_LEDGER_POSTGRES_HOST",
    "ledger.postgres.port STINT_LEDGER_POSTGRES_PORT",
    "ledger.postgres.database STINT_LEDGER_POSTGRES_DATABASE",
    "ledger.postgres.password_file STINT_LEDGER_POSTGRES_PASSWORD_FILE",
    "ledger.postgres.user STINT_LEDGER_POSTGRES_USER",
    "ledger.postgres.ca STINT_LEDGER_POSTGRES_CA",
    "ledger.postgres.plain_on_loopback STINT_LEDGER_POSTGRES_PLAIN_ON_LOOPBACK",
    "ledger.checkpoint_copy STINT_LEDGER_CHECKPOINT_COPY",
    "standby.of STINT_STANDBY_OF",
    "standby.attestation STINT_STANDBY_ATTESTATION",
    "standby.bundle STINT_STANDBY_BUNDLE",
    "standby.identity.certificate STINT_STANDBY_IDENTITY_CERTIFICATE",
    "standby.identity.private_key STINT_STANDBY_IDENTITY_PRIVATE_KEY",
    "log.level STINT_LOG_LEVEL",
    "tracing.otlp STINT_TRACING_OTLP",
    "tracing.sample STINT_TRACING_SAMPLE",
    "tracing.headers_file STINT_TRACING_HEADERS_FILE",
    "authority.x509_authority_days STINT_AUTHORITY_X509_AUTHORITY_DAYS",
    "authority.jwt_authority_days STINT_AUTHORITY_JWT_AUTHORITY_DAYS",
    "authority.prepare_at_percent STINT_AUTHORITY_PREPARE_AT_PERCENT",
    "authority.propagation STINT_AUTHORITY_PROPAGATION",
    "wit_svid STINT_WIT_SVID",
    "status_lists STINT_STATUS_LISTS",
    "ssf.transmit STINT_SSF_TRANSMIT",
    "ssf.roots STINT_SSF_ROOTS",
    "nats.subject STINT_NATS_SUBJECT",
    "nats.replicas STINT_NATS_REPLICAS",
    "nats.tls.ca STINT_NATS_TLS_CA",
    "nats.tls.certificate STINT_NATS_TLS_CERTIFICATE",
    "nats.tls.private_key STINT_NATS_TLS_PRIVATE_KEY",
    "nats.credentials_file STINT_NATS_CREDENTIALS_FILE",
    "nats.nkey_seed_file STINT_NATS_NKEY_SEED_FILE",
    "nats.user STINT_NATS_USER",
    "nats.password_file STINT_NATS_PASSWORD_FILE",
    "key_manager.pkcs11.module STINT_KEY_MANAGER_PKCS11_MODULE",
    "key_manager.pkcs11.token_label STINT_KEY_MANAGER_PKCS11_TOKEN_LABEL",
    "key_manager.pkcs11.pin_file STINT_KEY_MANAGER_PKCS11_PIN_FILE",
    "upstream_authority.disk.certificate STINT_UPSTREAM_AUTHORITY_DISK_CERTIFICATE",
    "upstream_authority.disk.private_key STINT_UPSTREAM_AUTHORITY_DISK_PRIVATE_KEY",
    "upstream_authority.disk.passphrase_file STINT_UPSTREAM_AUTHORITY_DISK_PASSPHRASE_FILE",
    "federation.web_roots STINT_FEDERATION_WEB_ROOTS",
    "policies.baseline STINT_POLICIES_BASELINE",
    "policies.directory STINT_POLICIES_DIRECTORY",
    "policies.ratchet STINT_POLICIES_RATCHET",
    "policies.external.opa.url STINT_POLICIES_EXTERNAL_OPA_URL",
    "policies.external.opa.path STINT_POLICIES_EXTERNAL_OPA_PATH",
    "policies.external.opa.timeout STINT_POLICIES_EXTERNAL_OPA_TIMEOUT",
    "policies.external.opa.tls.ca STINT_POLICIES_EXTERNAL_OPA_TLS_CA",
    "policies.external.opa.tls.certificate STINT_POLICIES_EXTERNAL_OPA_TLS_CERTIFICATE",
    "policies.external.opa.tls.private_key STINT_POLICIES_EXTERNAL_OPA_TLS_PRIVATE_KEY",
    "policies.external.opa.token_file STINT_POLICIES_EXTERNAL_OPA_TOKEN_FILE",
    "policies.external.opa.instead_of_cedar STINT_POLICIES_EXTERNAL_OPA_INSTEAD_OF_CEDAR",
    "approvals.expiry STINT_APPROVALS_EXPIRY",
    "tools.pin STINT_TOOLS_PIN",
    "retention.issuances STINT_RETENTION_ISSUANCES",
    "retention.steps STINT_RETENTION_STEPS",
    "retention.decisions STINT_RETENTION_DECISIONS",
    "retention.calls STINT_RETENTION_CALLS",
    "retention.deliveries STINT_RETENTION_DELIVERIES",
    "development STINT_DEVELOPMENT",
  ]);
  expect(explained.filter(({ description }) => description.length < 20)).toEqual([]);
});

test("a listener that was not asked for is explained without values that it does not have", () => {
  const explained = explainConfig(configFile(LEAST), {}, OPTIONS);
  expect(explained.find(({ key }) => key === "http.listen")).not.toHaveProperty("value");
});
