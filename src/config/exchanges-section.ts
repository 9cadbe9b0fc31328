import { z } from "zod";
import { LIMITS } from "../domain/limits.ts";
import { parseSegment } from "../domain/spiffe-id.ts";
import { absolutePath, accepted, duration, isLoopback, list, section, text, yesNo } from "./fields.ts";

/** Another system whose secrets steps may be given, as the configuration names it. */
export type ExchangeConfig = {
  readonly name: string;
  readonly audience: string;
  /** Names of agents; absent: all whose entries have the audience among their exchange audiences. */
  readonly agents?: readonly string[];
  readonly ttlSecondsMax: number;
  /** Path of a PEM file. */
  readonly ca?: string;
} & OpenBaoConfig;

type OpenBaoConfig = {
  readonly kind: "openbao";
  /** Origin: https, or http with a loopback address. */
  readonly url: string;
  readonly mount: string;
  /** A template, as `path` is. */
  readonly role: string;
  readonly path?: string;
  readonly tokenFile: string;
};

const TEMPLATE = "{agent}, {run_id} and {step} stand for those of the step";
const PATH = /^[A-Za-z0-9._{}-]{1,128}(?:\/[A-Za-z0-9._{}-]{1,128}){0,15}$/;
const NAMES = /\{(?:agent|run_id|step)\}/g;

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
    .describe(
      "The longest that a secret lives; it ends with its step in any case, as far as the other system can end it.",
    ),
  ca: absolutePath()
    .optional()
    .describe("PEM file of the CA certificates that vouch for its host. Absent: those that Node.js has."),
  plain_on_loopback: yesNo().prefault(false).describe("Permits http with a loopback address."),
};

const URL_EXPECTED = "an https URL of scheme, host and port alone, e.g. https://bao.example.org:8200";

/** Text with names of a step in braces, and nothing by which these could get elsewhere. */
function pathTemplate(expected: string) {
  return text(expected).refine(
    (path) =>
      PATH.test(path) &&
      !/[{}]/.test(path.replaceAll(NAMES, "")) &&
      !path.split("/").some((part) => /^\.+$/.test(part)),
    { error: `expected ${expected}` },
  );
}

const openbao = section({
  kind: z.literal("openbao"),
  ...common,
  url: text(URL_EXPECTED).describe("Where OpenBao, or Vault, answers."),
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
});

export const exchangeSchema = z
  .discriminatedUnion("kind", [openbao], {
    error: (issue) =>
      issue.code === "invalid_union" ? "expected one of openbao" : "expected a mapping with a kind: openbao",
  })
  .superRefine(({ url, plain_on_loopback: isPlain, ca }, context) => {
    const parsed = URL.canParse(url) ? new URL(url) : undefined;
    const custom = (key: string, message: string) => context.addIssue({ code: "custom", path: [key], message });
    if (parsed === undefined || parsed.origin !== url || !["http:", "https:"].includes(parsed.protocol)) {
      return custom("url", `expected ${URL_EXPECTED}`);
    }
    if (parsed.protocol === "https:") return;
    if (!isPlain || !isLoopback(parsed.hostname.replace(/^\[|\]$/g, ""))) {
      custom("url", "expected https; http is for a loopback address, with plain_on_loopback: true");
    }
    if (ca !== undefined) custom("ca", "expected an https url with it");
  });

export const exchangesSection = list(exchangeSchema, "exchanges").superRefine((exchanges, context) => {
  const names = new Set<string>();
  for (const [index, { name }] of exchanges.entries()) {
    if (names.has(name)) {
      context.addIssue({
        code: "custom",
        path: [index, "name"],
        message: "expected a name that no other exchange has",
      });
    }
    names.add(name);
  }
});

/** What the file says, in the words of the broker. */
export function exchangeOf(declared: z.output<typeof exchangeSchema>): ExchangeConfig {
  const { name, audience, agents, ttl_max: ttlSecondsMax, ca } = declared;
  const { kind, url, mount, role, path, token_file: tokenFile } = declared;
  return {
    ...{ name, audience, ttlSecondsMax },
    ...(agents === undefined ? {} : { agents }),
    ...(ca === undefined ? {} : { ca }),
    ...{ kind, url, mount, role, tokenFile },
    ...(path === undefined ? {} : { path }),
  };
}
