import { z } from "zod";
import { EXCHANGE_KINDS } from "../domain/exchange.ts";
import { LIMITS } from "../domain/limits.ts";
import { parseSegment } from "../domain/spiffe-id.ts";
import { absolutePath, accepted, duration, isLoopback, list, section, text, whole, yesNo } from "./fields.ts";
import { checkPostgresPlace, postgresPlace } from "./postgres-place.ts";

/*
 * The shape of an exchange: another system whose secrets steps may be given. What is asked there comes from the file alone,
 * but for the names of a step in templates, which are SPIFFE path segments.
 */

const TEMPLATE = "{agent}, {run_id} and {step} stand for those of the step";
const NAMES = /\{(?:agent|run_id|step)\}/g;
const PATH = /^[A-Za-z0-9._-]{1,128}(?:\/[A-Za-z0-9._-]{1,128}){0,15}$/;
const TEXT_LENGTH_MAX = 1_024;

/** Text with names of a step in braces, that is fit with any of these names. */
function template(expected: string, isFit: (text: string) => boolean = (given) => given !== "") {
  return text(expected).refine(
    (given) => {
      const filled = given.replaceAll(NAMES, "name");
      return given.length <= TEXT_LENGTH_MAX && !/[{}\p{C}]/u.test(filled) && isFit(filled);
    },
    { error: `expected ${expected}` },
  );
}

function pathTemplate(expected: string) {
  return template(expected, (path) => PATH.test(path) && !path.split("/").some((part) => /^\.+$/.test(part)));
}

const common = {
  name: accepted((name) => parseSegment(name, "name"), "a name of letters, digits, '.', '_' and '-'").describe(
    "By which steps ask for its secrets (stint exchange <name>); unique.",
  ),
  audience: text("an audience that agents' entries have among their exchange_audiences").describe(
    "What a step has to be opened for. An agent's entry has it among its `audiences` and its `exchange_audiences`.",
  ),
  agents: list(text("an agent's name"), "agents' names")
    .optional()
    .describe("Agents that may be given its secrets. Absent: all whose entries have the audience."),
  ttl_max: duration()
    .refine(
      (seconds) => Number.isInteger(seconds) && seconds >= LIMITS.svidTtlSecondsMin && seconds <= LIMITS.stepSecondsMax,
      {
        error: `expected ${LIMITS.svidTtlSecondsMin}s to 24h`,
      },
    )
    .prefault("1h")
    .describe("The longest that a secret lives. It never outlives its step, where the other system can end it."),
  ca: absolutePath()
    .optional()
    .describe("PEM file of the CA certificates that vouch for its host. Absent: those that Node.js has."),
  plain_on_loopback: yesNo().prefault(false).describe("Permits a loopback address without TLS."),
};

type PlaceKeys = { readonly plain_on_loopback: boolean; readonly ca?: string | undefined };

const ORIGIN = "an https URL of scheme, host and port alone, e.g. https://bao.example.org:8200";
const URL_WITH_PATH = "an https URL without user, query and fragment, e.g. https://login.example.org/oauth2/token";

/** Findings of URLs that are not fit to send a credential to. */
function checkUrls(
  { plain_on_loopback: isPlain, ca }: PlaceKeys,
  urls: Readonly<Record<string, string | undefined>>,
  expected: typeof ORIGIN | typeof URL_WITH_PATH,
  context: z.RefinementCtx,
): void {
  const custom = (key: string, message: string) => context.addIssue({ code: "custom", path: [key], message });
  for (const [key, url] of Object.entries(urls)) {
    if (url === undefined) continue;
    const parsed = URL.canParse(url) ? new URL(url) : undefined;
    const plain = parsed === undefined ? "" : parsed.origin + (expected === ORIGIN ? "" : parsed.pathname);
    if (parsed === undefined || plain !== url || !["http:", "https:"].includes(parsed.protocol)) {
      custom(key, `expected ${expected}`);
    } else if (parsed.protocol === "http:" && !(isPlain && isLoopback(parsed.hostname.replace(/^\[|\]$/g, "")))) {
      custom(key, "expected https; http is for a loopback address, with plain_on_loopback: true");
    } else if (parsed.protocol === "http:" && ca !== undefined) custom("ca", "expected https with it");
  }
}

const openbao = section({
  kind: z.literal("openbao"),
  ...common,
  url: text(ORIGIN).describe("Where OpenBao, or Vault, answers."),
  mount: pathTemplate("the path of an auth method").prefault("jwt").describe("Path of the auth method for JWTs."),
  role: pathTemplate("the name of a role").describe(
    `Role that a step logs in with; ${TEMPLATE}. Its user_claim is sub.`,
  ),
  path: pathTemplate("a path such as database/creds/reader")
    .optional()
    .describe(`What is read with the step's token, and is its secret; ${TEMPLATE}. Absent: the token itself.`),
  token_file: absolutePath().describe(
    "File with the broker's own token, which revokes those of steps; readable for the broker's user alone.",
  ),
}).superRefine((exchange, context) => checkUrls(exchange, { url: exchange.url }, ORIGIN, context));

const postgres = section({
  kind: z.literal("postgres"),
  ...common,
  ...postgresPlace,
  user: text("the name of a role")
    .min(1, "expected the name of a role")
    .describe("The broker's own role, with CREATEROLE and with ADMIN OPTION on the role below."),
  role: template("the name of a role").describe(
    `Role whose rights a step's role has, and to which goes what that owns in the end; ${TEMPLATE}.`,
  ),
  connections_max: whole(1, 1_000).prefault(10).describe("Connections that a step's role may have at a time."),
}).superRefine(checkPostgresPlace);

const oauth = {
  ...common,
  token_url: text(URL_WITH_PATH).describe("The authorization server's token endpoint."),
  revocation_url: text(URL_WITH_PATH)
    .optional()
    .describe(
      "Its revocation endpoint (RFC 7009). Absent: nobody can end a token, so that one that outlives its step is refused.",
    ),
  client_id: text("a client's id")
    .min(1, "expected a client's id")
    .optional()
    .describe("The broker's, as a client of that server. Absent: none."),
  client_secret_file: absolutePath()
    .optional()
    .describe(
      "File with its secret (client_secret_basic); readable for the broker's user alone. Absent: a public client.",
    ),
  scope: template("scopes with spaces between").optional().describe(`What is asked for; ${TEMPLATE}.`),
  resource: text("a URI").optional().describe("For which resource the token is to be (RFC 8707)."),
};

type OAuthKeys = PlaceKeys & {
  readonly token_url: string;
  readonly revocation_url?: string | undefined;
  readonly client_id?: string | undefined;
  readonly client_secret_file?: string | undefined;
};

function checkOAuth(exchange: OAuthKeys, context: z.RefinementCtx): void {
  const { token_url, revocation_url, client_id, client_secret_file } = exchange;
  checkUrls(exchange, { token_url, revocation_url }, URL_WITH_PATH, context);
  if (client_secret_file === undefined || client_id !== undefined) return;
  context.addIssue({ code: "custom", path: ["client_id"], message: "missing; expected one with client_secret_file" });
}

const tokenExchange = section({
  kind: z.literal("token-exchange"),
  ...oauth,
  token_audience: text("an audience").optional().describe("For whom the token is to be (RFC 8693 `audience`)."),
}).superRefine(checkOAuth);

const jwtBearer = section({ kind: z.literal("jwt-bearer"), ...oauth }).superRefine(checkOAuth);

const ROLE_ARN = "the ARN of a role, e.g. arn:aws:iam::123456789012:role/steps";

const awsSts = section({
  kind: z.literal("aws-sts"),
  ...common,
  url: text(ORIGIN).describe("The regional endpoint of STS, e.g. https://sts.eu-central-1.amazonaws.com."),
  role_arn: template(ROLE_ARN, (arn) => /^arn:[a-z-]+:iam::[0-9]{12}:role\/[\w+=,.@/-]{1,512}$/.test(arn)).describe(
    `Role that a step assumes; ${TEMPLATE}. STS gives 15 minutes at least: a step with less left is refused.`,
  ),
}).superRefine((exchange, context) => checkUrls(exchange, { url: exchange.url }, ORIGIN, context));

const PROVIDER =
  "the resource name of a provider, e.g. //iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q";
const ACCOUNT = "the mail address of a service account";

const gcpFederation = section({
  kind: z.literal("gcp-federation"),
  ...common,
  sts_url: text(ORIGIN).prefault("https://sts.googleapis.com").describe("Where tokens are traded."),
  credentials_url: text(ORIGIN)
    .prefault("https://iamcredentials.googleapis.com")
    .describe("Where service accounts are impersonated."),
  provider: text(PROVIDER)
    .refine((name) => /^\/\/iam\.googleapis\.com\/projects\/[\w/-]{1,400}\/providers\/[\w-]{1,64}$/.test(name), {
      error: `expected ${PROVIDER}`,
    })
    .describe("Workload identity provider that believes this broker's issuer."),
  service_account: template(ACCOUNT, (mail) => /^[\w.-]{1,128}@[a-z0-9.-]{1,253}$/.test(mail)).describe(
    `Service account that a step impersonates; ${TEMPLATE}.`,
  ),
  scopes: list(text("an OAuth scope"), "OAuth scopes")
    .prefault(["https://www.googleapis.com/auth/cloud-platform"])
    .describe("What the token is for; absent: cloud-platform, which leaves it to the service account's roles."),
}).superRefine((exchange, context) => {
  const { sts_url, credentials_url } = exchange;
  checkUrls(exchange, { sts_url, credentials_url }, ORIGIN, context);
});

export const exchangeSchema = z.discriminatedUnion(
  "kind",
  [openbao, postgres, tokenExchange, jwtBearer, awsSts, gcpFederation],
  {
    error: (issue) => {
      const kinds = EXCHANGE_KINDS.join(", ");
      return issue.code === "invalid_union" ? `expected one of ${kinds}` : `expected a mapping with a kind: ${kinds}`;
    },
  },
);

export type DeclaredExchange = z.output<typeof exchangeSchema>;
