import { expect, test } from "vitest";
import { exchangeOf, exchangesSection } from "../../src/config/exchanges-section.ts";
import { formatKey } from "../../src/config/finding.ts";

const AUDIENCE = "https://elsewhere.example";
const BAO = {
  ...{ kind: "openbao", name: "bao", audience: AUDIENCE, url: "https://bao.example.org:8200", role: "steps" },
  token_file: "/etc/stint/bao-token",
};
const PG = {
  ...{ kind: "postgres", name: "books", audience: AUDIENCE, host: "db.example.org", database: "books" },
  ...{ user: "stint", password_file: "/etc/stint/books", role: "readers" },
};
const OAUTH = { kind: "jwt-bearer", name: "as", audience: AUDIENCE, token_url: "https://as.example.org/oauth2/token" };
const AWS = {
  ...{ kind: "aws-sts", name: "aws", audience: AUDIENCE, url: "https://sts.eu-central-1.amazonaws.com" },
  role_arn: "arn:aws:iam::123456789012:role/steps-of-{agent}",
};
const GCP = {
  ...{ kind: "gcp-federation", name: "gcp", audience: AUDIENCE, service_account: "steps@p.iam.gserviceaccount.com" },
  provider: "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
};

const read = (exchange: object) => exchangesSection.parse([exchange]).map(exchangeOf)[0];

function findingsOf(...exchanges: readonly object[]): readonly string[] {
  const { error } = exchangesSection.safeParse(exchanges);
  return error?.issues.map(({ path, message }) => `${formatKey(path)}: ${message}`) ?? [];
}

test.for([
  {
    declared: {
      ...BAO,
      agents: ["researcher"],
      ttl_max: "5m",
      ca: "/etc/stint/ca.pem",
      path: "database/creds/{agent}",
    },
    config: {
      ...{ name: "bao", kind: "openbao", audience: AUDIENCE, agents: ["researcher"], ttlSecondsMax: 300 },
      ...{ ca: "/etc/stint/ca.pem", url: BAO.url, mount: "jwt", role: "steps", path: "database/creds/{agent}" },
      tokenFile: BAO.token_file,
    },
  },
  {
    declared: { ...PG, host: "127.0.0.1", plain_on_loopback: true, connections_max: 3 },
    config: {
      ...{ name: "books", kind: "postgres", audience: AUDIENCE, ttlSecondsMax: 3_600, host: "127.0.0.1", port: 5_432 },
      ...{ database: "books", user: "stint", passwordFile: PG.password_file, role: "readers", connectionsMax: 3 },
      isPlain: true,
    },
  },
  {
    declared: {
      ...{ ...OAUTH, kind: "token-exchange", revocation_url: "https://as.example.org/revoke", scope: "read:{run_id}" },
      ...{
        client_id: "stint",
        client_secret_file: "/etc/stint/as",
        resource: "https://api.example",
        token_audience: "api",
      },
    },
    config: {
      ...{ name: "as", kind: "token-exchange", audience: AUDIENCE, ttlSecondsMax: 3_600, tokenUrl: OAUTH.token_url },
      ...{ revocationUrl: "https://as.example.org/revoke", clientId: "stint", clientSecretFile: "/etc/stint/as" },
      ...{ scope: "read:{run_id}", resource: "https://api.example", tokenAudience: "api" },
    },
  },
  {
    declared: OAUTH,
    config: { name: "as", kind: "jwt-bearer", audience: AUDIENCE, ttlSecondsMax: 3_600, tokenUrl: OAUTH.token_url },
  },
  {
    declared: AWS,
    config: {
      name: "aws",
      kind: "aws-sts",
      audience: AUDIENCE,
      ttlSecondsMax: 3_600,
      url: AWS.url,
      roleArn: AWS.role_arn,
    },
  },
  {
    declared: GCP,
    config: {
      ...{ name: "gcp", kind: "gcp-federation", audience: AUDIENCE, ttlSecondsMax: 3_600, provider: GCP.provider },
      ...{ stsUrl: "https://sts.googleapis.com", credentialsUrl: "https://iamcredentials.googleapis.com" },
      ...{ serviceAccount: GCP.service_account, scopes: ["https://www.googleapis.com/auth/cloud-platform"] },
    },
  },
])("$declared.kind is taken in the words of the broker", ({ declared, config }) => {
  expect(read(declared)).toEqual(config);
});

const ORIGIN = "an https URL of scheme, host and port alone, e.g. https://bao.example.org:8200";
const URL_WITH_PATH = "an https URL without user, query and fragment, e.g. https://login.example.org/oauth2/token";
const PLAIN = "expected https; http is for a loopback address, with plain_on_loopback: true";
const KINDS = "openbao, postgres, token-exchange, jwt-bearer, aws-sts, gcp-federation";

test.for<{ what: string; exchange: object; findings: readonly string[] }>([
  { what: "another kind", exchange: { ...BAO, kind: "vault" }, findings: [`[0].kind: expected one of ${KINDS}`] },
  { what: "no kind", exchange: { name: "x" }, findings: [`[0].kind: expected one of ${KINDS}`] },
  { what: "a place without TLS", exchange: { ...BAO, url: "http://bao.example.org" }, findings: [`[0].url: ${PLAIN}`] },
  {
    what: "a loopback address that is not said to be plain",
    exchange: { ...BAO, url: "http://127.0.0.1:8200" },
    findings: [`[0].url: ${PLAIN}`],
  },
  {
    what: "a name that only looks like one",
    exchange: { ...BAO, url: "http://127.0.0.1.evil.example", plain_on_loopback: true },
    findings: [`[0].url: ${PLAIN}`],
  },
  {
    what: "a place with a user",
    exchange: { ...BAO, url: "https://a:b@bao.example.org" },
    findings: [`[0].url: expected ${ORIGIN}`],
  },
  {
    what: "a path where an origin belongs",
    exchange: { ...BAO, url: "https://bao.example.org/v1" },
    findings: [`[0].url: expected ${ORIGIN}`],
  },
  {
    what: "a query",
    exchange: { ...OAUTH, token_url: "https://as.example.org/token?x=1" },
    findings: [`[0].token_url: expected ${URL_WITH_PATH}`],
  },
  {
    what: "another scheme",
    exchange: { ...OAUTH, token_url: "file:///etc/passwd" },
    findings: [`[0].token_url: expected ${URL_WITH_PATH}`],
  },
  {
    what: "a path that goes up",
    exchange: { ...BAO, path: "secret/../sys" },
    findings: ["[0].path: expected a path such as database/creds/reader"],
  },
  {
    what: "a name that no step has",
    exchange: { ...BAO, role: "{user}" },
    findings: ["[0].role: expected the name of a role"],
  },
  {
    what: "a secret without its client",
    exchange: { ...OAUTH, client_secret_file: "/x" },
    findings: ["[0].client_id: missing; expected one with client_secret_file"],
  },
  {
    what: "a database elsewhere without TLS",
    exchange: { ...PG, plain_on_loopback: true },
    findings: ["[0].plain_on_loopback: expected a loopback address as host with it"],
  },
  { what: "a lifetime of days", exchange: { ...BAO, ttl_max: "2d" }, findings: ["[0].ttl_max: expected 10s to 24h"] },
  {
    what: "a key of another kind",
    exchange: { ...AWS, token_file: "/x" },
    findings: [
      "[0]: no such key; expected kind, name, audience, agents, ttl_max, ca, plain_on_loopback, url, role_arn",
    ],
  },
])("is refused with $what", ({ exchange, findings }) => {
  expect(findingsOf(exchange)).toEqual(findings);
});

test("no two have one name", () => {
  expect(findingsOf(BAO, { ...PG, name: "bao" })).toEqual(["[1].name: expected a name that no other exchange has"]);
});

test("what is refused is never repeated: a value in the wrong place may be a secret", () => {
  const secret = "hvs.CAESsecret";
  const wrong = Object.fromEntries(Object.keys(BAO).map((key) => [key, key === "kind" ? "openbao" : `${secret} \n`]));
  expect(findingsOf(wrong).join("\n")).not.toContain(secret);
});
