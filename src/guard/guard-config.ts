import { z } from "zod";
import { readConfigFile } from "../config/config-file.ts";
import {
  absolutePath,
  accepted,
  duration,
  isLoopback,
  type ListenAddress,
  list,
  listenAddress,
  oneOf,
  section,
  serverCertificate,
  text,
  whole,
  yesNo,
} from "../config/fields.ts";
import { ConfigError, type Finding, formatKey } from "../config/finding.ts";
import { schemaFindings } from "../config/schema-findings.ts";
import type { YamlSource } from "../config/yaml-source.ts";
import { ACTIONS, type Action, checkResourceUri } from "../domain/grant.ts";

/** Where a secret comes from that the server behind the guard wants to see. */
export type SecretSource =
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "command"; readonly command: readonly [string, ...string[]]; readonly keepSeconds: number }
  | {
      readonly kind: "vault";
      /** Origin: https, or http with a loopback address. */
      readonly address: string;
      /** Below `/v1/`: `secret/data/github` of version 2 of the key-value engine. */
      readonly path: string;
      readonly field: string;
      readonly tokenFile: string;
      /** Path of a PEM file. */
      readonly ca?: string;
      readonly keepSeconds: number;
    };

/** How a secret reaches the server. `tools`: only in calls of these; absent: in all that is sent. */
export type Injection = { readonly secret: string; readonly tools?: readonly string[] } & (
  | { readonly kind: "header"; readonly name: string; readonly value: string }
  | { readonly kind: "argument"; readonly name: string }
  | { readonly kind: "environment"; readonly name: string; readonly value: string }
);

/** The server that nobody changes. */
export type Upstream =
  | { readonly kind: "http"; readonly url: string }
  | {
      readonly kind: "process";
      readonly command: readonly [string, ...string[]];
      readonly directory?: string;
      readonly environment: Readonly<Record<string, string>>;
      readonly user?: { readonly uid: number; readonly gid: number };
      readonly processesMax: number;
      readonly processesPerStepMax: number;
    };

export type GuardedTool = { readonly actions: readonly Action[]; readonly datatypes: readonly string[] };

export type GuardConfig = {
  /** What tokens for the server have as audience. */
  readonly resource: string;
  readonly issuer: string;
  readonly listen: ListenAddress;
  /** Paths of PEM files; absent: plain HTTP, on a loopback address. */
  readonly tls?: { readonly certificate: string; readonly privateKey: string };
  readonly upstream: Upstream;
  readonly secrets: Readonly<Record<string, SecretSource>>;
  readonly injections: readonly Injection[];
  readonly tools: Readonly<Record<string, GuardedTool>>;
  /** By URI, at its end perhaps `*`, the name of one of the tools. */
  readonly resources: Readonly<Record<string, string>>;
  readonly prompts: Readonly<Record<string, string>>;
  readonly check: {
    readonly actions: readonly Action[];
    readonly tools: readonly string[];
    readonly acceptPending: boolean;
  };
  readonly otherMethods?: readonly string[];
  readonly proof: "accepted" | "required" | "none";
  readonly reportUsage: boolean;
  readonly pinTools: boolean;
  readonly development: boolean;
};

export { ConfigError };

/** In place of the secret in an injected text. */
export const PLACEHOLDER = "{}";

const NAME = /^[A-Za-z0-9_-]{1,64}$/;
const HEADER = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/;
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;
/** Of these the guard itself decides what they say. */
const OWN_HEADER =
  /^(?:host|connection|content-length|content-type|transfer-encoding|te|upgrade|accept|last-event-id|mcp-.*)$/i;
const STORE_PATH = /^[A-Za-z0-9_-]+(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9_.-]+){1,15}$/;
const STORE_EXPECTED = "an https URL of scheme, host and port alone, or http with a loopback address";
const PROCESSES_MAX = 1_000;
const PROCESSES_DEFAULT = 32;
const PROCESSES_PER_STEP_DEFAULT = 4;
const UID_MAX = 4_294_967_294;

const resourceUri = (expected: string) =>
  accepted((uri) => {
    checkResourceUri(uri, "uri");
    return uri;
  }, expected);

const toolNames = () => list(text("a tool's name"), "names of tools");

const command = () =>
  list(text("text"), "a program and its arguments")
    .refine((words) => words.length > 0 && words[0] !== "", { error: "expected a program and its arguments" })
    .transform((words) => words as [string, ...string[]]);

const secret = section({
  file: absolutePath().optional().describe("File that holds it; readable for the guard's user alone."),
  command: command().optional().describe("Program that prints it on standard output."),
  vault: section({
    address: text(STORE_EXPECTED)
      .refine(isStoreUrl, { error: `expected ${STORE_EXPECTED}` })
      .describe("OpenBao, Vault, or an agent of theirs on this machine."),
    path: text("a path below /v1/")
      .regex(STORE_PATH, { error: "expected a path below /v1/, e.g. secret/data/github" })
      .describe("Of version 2 of the key-value engine with `data/` in it."),
    field: text("the name of a field").regex(NAME, { error: "expected the name of a field" }),
    token_file: absolutePath().describe("File with the token; readable for the guard's user alone."),
    ca: absolutePath().optional().describe("PEM file of the CA certificates that vouch for the store."),
  })
    .optional()
    .describe("A field of a secret in a key-value engine of OpenBao or Vault."),
  keep: duration().prefault("5m").describe("How long what a command or a store gave is used before it is asked again."),
}).transform(({ file, command: words, vault, keep }, context): SecretSource => {
  if ([file, words, vault].filter((one) => one !== undefined).length === 1) {
    if (file !== undefined) return { kind: "file", path: file };
    if (words !== undefined) return { kind: "command", command: words, keepSeconds: keep };
    if (vault !== undefined) {
      const { address, path, field, token_file: tokenFile, ca } = vault;
      const of = { address, path, field, tokenFile, keepSeconds: keep };
      return { kind: "vault", ...of, ...(ca === undefined ? {} : { ca }) };
    }
  }
  context.addIssue("expected one of file, command and vault");
  return z.NEVER;
});

const injection = section({
  secret: text("the name of one of the secrets"),
  header: text("a header's name").optional(),
  argument: text("the name of a tool's argument").optional(),
  environment: text("the name of a variable").optional(),
  as: text(`text with ${PLACEHOLDER} where the secret goes`)
    .refine((value) => value.split(PLACEHOLDER).length === 2, { error: `expected text with ${PLACEHOLDER} in it once` })
    .prefault(PLACEHOLDER),
  tools: toolNames().optional(),
}).transform(({ secret: name, header, argument, environment, as, tools }, context): Injection => {
  const of = { secret: name, ...(tools === undefined ? {} : { tools }) };
  const refuse = (message: string) => {
    context.addIssue(message);
    return z.NEVER;
  };
  const given = [header, argument, environment].filter((one) => one !== undefined);
  if (given.length !== 1) return refuse("expected one of header, argument and environment");
  if (header !== undefined) {
    if (!HEADER.test(header) || OWN_HEADER.test(header)) return refuse("expected a header that the guard leaves alone");
    return { ...of, kind: "header", name: header, value: as };
  }
  if (argument !== undefined) {
    if (as !== PLACEHOLDER) return refuse("expected no `as`: an argument is the secret alone");
    if (tools === undefined) return refuse("expected the tools that have this argument");
    return { ...of, kind: "argument", name: argument };
  }
  if (!VARIABLE.test(environment ?? "")) return refuse("expected the name of a variable");
  return { ...of, kind: "environment", name: environment ?? "", value: as };
});

const upstream = section({
  url: text("an http or https URL")
    .refine(isUpstreamUrl, { error: "expected an http or https URL without user, password and fragment" })
    .optional()
    .describe("A server that speaks streamable HTTP."),
  command: command().optional().describe("A server that speaks over standard input and output; one process a session."),
  directory: absolutePath().optional().describe("Where the command runs. Absent: where the guard does."),
  environment: z
    .record(z.string().regex(VARIABLE), z.string(), { error: "expected a mapping of variables to text" })
    .prefault({})
    .describe("The command's variables beside PATH and HOME; it has no other of the guard's."),
  user: section({ uid: whole(0, UID_MAX), gid: whole(0, UID_MAX) })
    .optional()
    .describe("Whom the command runs as, where the guard may choose."),
  processes_max: whole(1, PROCESSES_MAX)
    .prefault(PROCESSES_DEFAULT)
    .describe("Processes at the same time, of all steps together."),
  processes_per_step_max: whole(1, PROCESSES_MAX)
    .prefault(PROCESSES_PER_STEP_DEFAULT)
    .describe("Of these, as many as one step may have: one for each of its clients."),
});

const schema = section({
  resource: resourceUri("the canonical URI that clients know the server by").describe("Audience of the tokens."),
  issuer: resourceUri("the broker's issuer URL").describe("For the metadata that says where tokens come from."),
  listen: listenAddress().describe("Where the guard listens."),
  tls: serverCertificate().optional().describe("Absent: plain HTTP, which is for a loopback address alone."),
  upstream: upstream.optional(),
  secrets: z.record(z.string().regex(NAME), secret, { error: "expected a mapping of names to secrets" }).prefault({}),
  inject: list(injection, "injections").prefault([]),
  tools: z.record(
    z.string().min(1),
    section({ actions: list(oneOf(ACTIONS), "actions"), datatypes: list(text("a class of data"), "classes of data") }),
    { error: "expected a mapping of each tool to actions and datatypes" },
  ),
  resources: z
    .record(z.string().min(1), text("the name of one of the tools"), { error: "expected a mapping of URIs to tools" })
    .prefault({})
    .describe("Resources that may be read, each by the grant of one of the tools; at the end of a URI * is any rest."),
  prompts: z
    .record(z.string().min(1), text("the name of one of the tools"), {
      error: "expected a mapping of prompts to tools",
    })
    .prefault({}),
  check: section({
    actions: list(oneOf(ACTIONS), "actions").prefault([]),
    tools: toolNames().prefault([]),
    accept_pending: yesNo().prefault(false),
  }).prefault({}),
  other_methods: list(text("a method"), "methods").optional(),
  proof: oneOf(["accepted", "required", "none"]).prefault("accepted"),
  report_usage: yesNo().prefault(true),
  pin_tools: yesNo().prefault(true),
  development: yesNo().prefault(false).describe("Takes tokens of a throw-away broker. Never in production."),
});

/** The keys of a guard's file. */
export const GUARD_KEYS: readonly string[] = Object.keys(schema.shape);

/** @throws ConfigError as `guardConfigOf`; and where the file can't be read, or anybody may write to it */
export function readGuardConfig(path: string, given: readonly string[]): GuardConfig {
  return guardConfigOf(readConfigFile(path), given);
}

/**
 * What a guard's file says.
 *
 * @param given - a command on the command line, in the place of `upstream`.
 * @throws ConfigError with all that is wrong
 */
function guardConfigOf(source: YamlSource, given: readonly string[]): GuardConfig {
  const result = schema.safeParse(source.value ?? {});
  const findingOf = (path: readonly PropertyKey[], message: string): Finding => ({
    place: source.placeOf(path),
    key: formatKey(path),
    message,
  });
  if (!result.success) throw new ConfigError(schemaFindings(result.error, source, findingOf));
  const { data } = result;
  const findings: Finding[] = [];
  const refuse = (path: readonly PropertyKey[], message: string) => findings.push(findingOf(path, message));

  const server = upstreamOf(data.upstream, given, refuse);
  if (data.tls === undefined && !isLoopback(data.listen.host)) {
    refuse(["listen"], "expected a loopback address, or tls: tokens would cross the network in the clear");
  }
  for (const [index, { secret: name, kind, tools = [] }] of data.inject.entries()) {
    const path = ["inject", index];
    if (!Object.hasOwn(data.secrets, name)) refuse([...path, "secret"], "expected the name of one of the secrets");
    if (kind === "environment" && server?.kind === "http")
      refuse(path, "expected a header or an argument: no process is started");
    if (kind === "header" && server?.kind === "process")
      refuse(path, "expected a variable or an argument: a process is sent no header");
    if (!tools.every((tool) => Object.hasOwn(data.tools, tool)))
      refuse([...path, "tools"], "expected names of the tools below `tools`");
  }
  for (const kind of ["resources", "prompts"] as const) {
    for (const [name, tool] of Object.entries(data[kind])) {
      if (!Object.hasOwn(data.tools, tool)) refuse([kind, name], "expected the name of one of the tools");
    }
  }
  if (findings.length > 0 || server === undefined) throw new ConfigError(findings);
  const { tls, check, other_methods: otherMethods } = data;
  return {
    resource: data.resource,
    issuer: data.issuer,
    listen: data.listen,
    ...(tls === undefined ? {} : { tls: { certificate: tls.certificate, privateKey: tls.private_key } }),
    upstream: server,
    secrets: data.secrets,
    injections: data.inject,
    tools: data.tools,
    resources: data.resources,
    prompts: data.prompts,
    check: { actions: check.actions, tools: check.tools, acceptPending: check.accept_pending },
    ...(otherMethods === undefined ? {} : { otherMethods }),
    proof: data.proof,
    reportUsage: data.report_usage,
    pinTools: data.pin_tools,
    development: data.development,
  };
}

function upstreamOf(
  declared: z.output<typeof upstream> | undefined,
  given: readonly string[],
  refuse: (path: readonly PropertyKey[], message: string) => void,
): Upstream | undefined {
  const [program, ...rest] = given;
  const words = program === undefined ? declared?.command : ([program, ...rest] as const);
  const url = declared?.url;
  const isTwice = program !== undefined && (declared?.command !== undefined || url !== undefined);
  if (isTwice || (words === undefined) === (url === undefined)) {
    refuse(["upstream"], "expected one server: a url, a command, or a command after --");
    return undefined;
  }
  if (url !== undefined) return { kind: "http", url };
  if (words === undefined) return undefined;
  return {
    kind: "process",
    command: words,
    ...(declared?.directory === undefined ? {} : { directory: declared.directory }),
    environment: declared?.environment ?? {},
    ...(declared?.user === undefined ? {} : { user: declared.user }),
    processesMax: declared?.processes_max ?? PROCESSES_DEFAULT,
    processesPerStepMax: declared?.processes_per_step_max ?? PROCESSES_PER_STEP_DEFAULT,
  };
}

function isUpstreamUrl(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const { protocol, username, password, hash } = new URL(value);
  return ["http:", "https:"].includes(protocol) && username === "" && password === "" && hash === "";
}

function isStoreUrl(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const { protocol, hostname, origin } = new URL(value);
  return origin === value && (protocol === "https:" || (protocol === "http:" && isLoopback(hostname)));
}
