import { performance } from "node:perf_hooks";
import { BrokerError, invalidField } from "../../domain/errors.ts";
import { ACTIONS, type Action, ANY, checkResourceUri, isAction, parseGrant } from "../../domain/grant.ts";
import type { JsonObject } from "../../domain/strict-json.ts";
import {
  PROOF_KINDS,
  PROOF_POLICIES,
  type ProofKind,
  type ProofTerms,
  type ToolVerdict,
  VerificationError,
  type Verifier,
} from "../verifier/index.ts";
import type { FeatureKind, Features, NamedFeatures } from "./named-features.ts";
import { createRequestStates, type RequestStates } from "./request-state.ts";
import type { SessionOwner } from "./sessions.ts";
import { createToolDefinitions, type ToolDefinitions } from "./tool-definitions.ts";

/** What a call of one tool does, so that it can be compared with what a step was granted. */
export type ToolNeeds = {
  /** All of them must be granted. */
  readonly actions: readonly Action[];
  /** The classes of data it touches; all must be granted. */
  readonly datatypes: readonly string[];
};

/** Which calls the broker itself decides, one by one. */
export type CheckTerms = {
  /** Tools whose calls do any of these. */
  readonly actions?: readonly Action[];
  /** Tools by their names. */
  readonly tools?: readonly string[];
  /** How long the broker may take before the call is refused, in milliseconds. Absent: 2,000. */
  readonly timeoutMs?: number;
  /**
   * What policies hold back until an operator approves it, is put to the operators. The client is refused `POLICY_DENIED`
   * with the id of what waits, and calls again, with the same arguments, once it is approved. Absent: false.
   */
  readonly acceptPending?: boolean;
  /**
   * How long a call that waits is held here before its client is refused, in milliseconds: an approval that comes within is
   * used at once. Its token must not expire meanwhile. Absent: 0.
   */
  readonly approvalWaitMs?: number;
};

/** By default bound tokens are taken with their proof, and bearer tokens without. */
export type McpGuardOptions = ProofTerms & {
  /** Created with `resource` among its audiences. */
  readonly verifier: Verifier;
  /** The server's canonical URI, `https://mcp.example.com/mcp`: what JWT-SVIDs for it have as audience. */
  readonly resource: string;
  /** The broker's issuer URL, for the protected-resource metadata. */
  readonly issuer: string;
  /** Every tool that may be called at all, with what calling it takes. A tool that is not here is refused. */
  readonly tools: Readonly<Record<string, ToolNeeds>>;
  /**
   * Resources that may be read, listed and subscribed to, by their URIs; at the end `*` stands for any rest. Each names the one
   * of `tools` whose grant reading it takes; the server need not have a tool of that name. Absent: none, unless
   * `otherMethods` lets `resources/*` through for everybody.
   */
  readonly resources?: Readonly<Record<string, string>>;
  /** Prompts by their names; as `resources`. */
  readonly prompts?: Readonly<Record<string, string>>;
  /**
   * Calls of high risk, for which the broker is asked each time; where it gives no answer they are refused. Absent: none,
   * but for grants that say how often a tool may be called, which only the broker counts.
   */
  readonly check?: CheckTerms;
  /**
   * Whether a tool is served only as it is pinned at the broker: its definition is reported, and one that is another is neither listed nor
   * called until an operator accepts it. The verifier's entry must have `resource` among its audiences. Absent: false.
   */
  readonly pinTools?: boolean;
  /** Told of each definition of a tool that is refused for that, once. */
  readonly onToolRefused?: (tool: string, verdict: ToolVerdict) => void;
  /**
   * Other methods that any step with a token for this resource may call; `notifications/*` stands for all that begin so.
   * Absent: `OTHER_METHODS`. The rest is refused.
   */
  readonly otherMethods?: readonly string[];
  /**
   * Who may use a session that a step has opened at the server: that step alone, or every step of its agent in its run.
   * Absent: `step`.
   */
  readonly sessionOwner?: SessionOwner;
  /** Told the id of each session that the guard lets nobody into any more: its step has ended, or it was the idlest of too many. */
  readonly onSessionEnded?: (sessionId: string) => void;
  /**
   * Seals the `requestState` that a server has its client keep: at least 32 bytes, the same for all processes behind one name.
   * Absent: random, so that another process, or this one once it was started anew, refuses what was sealed here.
   */
  readonly requestStateSecret?: Uint8Array;
  /** For the metadata, to show to people. */
  readonly resourceName?: string;
  /** A longer body is refused. Absent: 4 MiB, the MCP SDK's own bound. */
  readonly maxBodyBytes?: number;
  /** Told of faults, the guard's own and the handler's, of which a client sees no more than a 500. */
  readonly onError?: (thrown: unknown) => void;
};

/** What is made something else of, or may be missing. */
type Unsettled =
  | "tools"
  | "resources"
  | "prompts"
  | "check"
  | "resourceName"
  | "requestStateSecret"
  | "pinTools"
  | "onToolRefused";

export type GuardSettings = Required<Omit<McpGuardOptions, Unsettled>> & {
  readonly features: Features;
  /** Names of the tools whose every call the broker decides. */
  readonly checkedTools: ReadonlySet<string>;
  readonly checkTimeoutMs: number;
  readonly acceptPending: boolean;
  readonly approvalWaitMs: number;
  readonly requestStates: RequestStates;
  readonly tools: ReadonlyMap<string, ToolNeeds>;
  readonly definitions: ToolDefinitions;
  /** What of a list of tools clients are shown in place of what the server has said, and the broker was told. */
  readonly listAsShown: (result: JsonObject) => JsonObject;
  readonly resourceName: string | undefined;
  /** Where the metadata is served. */
  readonly metadataPath: string;
  readonly metadataUrl: string;
};

/** What every MCP client does before and beside calling tools; nothing of it reads the server's data or changes it. */
export const OTHER_METHODS = ["initialize", "ping", "server/discover", "tools/list", "notifications/*"] as const;

const CHECK_MS_DEFAULT = 2_000;
/** A client that waits for longer has given up. */
const CHECK_MS_MAX = 30_000;
/** One that was told to wait has a person before it, or tokens that end sooner. */
const APPROVAL_WAIT_MS_MAX = 300_000;
const BODY_BYTES_MAX = 4 * 1024 * 1024;
/** RFC 9728 section 3.1: put between host and path. */
const WELL_KNOWN = "/.well-known/oauth-protected-resource";
const CALL = "tools/call";

/**
 * Checks what a guard is created with, so that a tool map with a mistake in it stops the server and not its callers.
 *
 * @throws BrokerError INVALID_FIELD
 */
export function guardSettingsOf(options: McpGuardOptions): GuardSettings {
  checkResourceUri(options.resource, "resource");
  checkResourceUri(options.issuer, "issuer");
  checkVerifier(options.verifier, options.resource);
  const resource = new URL(options.resource);
  const otherMethods = options.otherMethods ?? OTHER_METHODS;
  for (const method of otherMethods) {
    if (method === CALL || method === "*" || method.startsWith("tools/*")) {
      throw invalidField("otherMethods", "methods other than tools/call, which the tool map decides");
    }
  }
  const maxBodyBytes = options.maxBodyBytes ?? BODY_BYTES_MAX;
  if (!(maxBodyBytes > 0)) throw invalidField("maxBodyBytes", "more than 0");
  const sessionOwner = options.sessionOwner ?? "step";
  if (sessionOwner !== "step" && sessionOwner !== "run") throw invalidField("sessionOwner", "step or run");
  const metadataPath = `${WELL_KNOWN}${resource.pathname === "/" ? "" : resource.pathname}`;
  const tools = toolsOf(options.tools, options.resource);
  const proof = options.proof ?? "accepted";
  if (!PROOF_POLICIES.includes(proof)) throw invalidField("proof", `one of ${PROOF_POLICIES.join(", ")}`);
  return {
    verifier: options.verifier,
    proof,
    proofKinds: proof === "none" ? [] : proofKindsOf(options, resource),
    resource: options.resource,
    issuer: options.issuer,
    tools,
    definitions: definitionsOf(options, tools, options.pinTools ?? false),
    listAsShown: (result) => result,
    features: { resources: featuresOf("resources", options), prompts: featuresOf("prompts", options) },
    ...checkSettingsOf(options),
    otherMethods: [...otherMethods],
    sessionOwner,
    onSessionEnded: options.onSessionEnded ?? (() => undefined),
    requestStates: createRequestStates(options.requestStateSecret),
    resourceName: options.resourceName,
    maxBodyBytes,
    onError: options.onError ?? (() => undefined),
    metadataPath,
    metadataUrl: `${resource.origin}${metadataPath}${resource.search}`,
  };
}

/** @param looksFirst - whether the server is asked for its tools before the first call, whoever's it is. */
export function definitionsOf(
  options: McpGuardOptions,
  tools: ReadonlyMap<string, ToolNeeds>,
  looksFirst: boolean,
): ToolDefinitions {
  const { verifier, resource, pinTools = false, onToolRefused: refused = () => undefined } = options;
  return createToolDefinitions({
    resource,
    declared: tools,
    ask: pinTools ? (shown) => verifier.reportTools(shown, { audience: resource }) : undefined,
    looksFirst,
    refused,
    onError: options.onError ?? (() => undefined),
    nowMs: () => performance.now(),
  });
}

/** A verifier that does not watch this resource would answer every request with a fault; better to find out now. */
function checkVerifier(verifier: Verifier, resource: string): void {
  try {
    verifier.verify("", { audience: resource });
  } catch (thrown) {
    if (!(thrown instanceof VerificationError)) throw thrown;
  }
}

function proofKindsOf({ proofKinds }: ProofTerms, { protocol }: URL): readonly ProofKind[] {
  const isPlain = protocol === "http:";
  if (proofKinds === undefined) return PROOF_KINDS.filter((kind) => kind !== "mtls" || !isPlain);
  const known: readonly string[] = PROOF_KINDS;
  if (proofKinds.length === 0 || !proofKinds.every((kind) => known.includes(kind))) {
    throw invalidField("proofKinds", `one or more of ${PROOF_KINDS.join(", ")}`);
  }
  if (isPlain && proofKinds.includes("mtls")) throw invalidField("proofKinds", "no mtls for a resource without TLS");
  return [...proofKinds];
}

/** A tool's needs are checked as the grant that would permit it, since that is what they are compared with. */
function toolsOf(tools: Readonly<Record<string, ToolNeeds>>, resource: string): ReadonlyMap<string, ToolNeeds> {
  const entries = Object.entries(tools);
  for (const [name, { actions, datatypes }] of entries) {
    if (name === ANY) throw invalidField("tools", "the name of each tool; what is not named is refused");
    try {
      parseGrant([{ type: "mcp_tool", locations: [resource], identifier: name, actions, datatypes }], {
        ceiling: false,
      });
    } catch (thrown) {
      if (!(thrown instanceof BrokerError)) throw thrown;
      throw invalidField(`tools.${name}`, thrown.message.replace(/^grant\[0\]\.?/, ""));
    }
  }
  return new Map(entries.map(([name, needs]) => [name, { ...needs }]));
}

function featuresOf(kind: FeatureKind, { tools, ...options }: McpGuardOptions): NamedFeatures {
  return Object.entries(options[kind] ?? {}).map(([name, tool]) => {
    if (name === "" || name.slice(0, -1).includes(ANY)) throw invalidField(kind, "names with * at their end alone");
    if (!Object.hasOwn(tools, tool)) throw invalidField(`${kind}.${name}`, "the name of one of the tools");
    return { name, tool };
  });
}

function checkSettingsOf({
  check = {},
  tools,
}: McpGuardOptions): Pick<GuardSettings, "checkedTools" | "checkTimeoutMs" | "acceptPending" | "approvalWaitMs"> {
  const { actions = [], tools: named = [], timeoutMs = CHECK_MS_DEFAULT } = check;
  const { acceptPending = false, approvalWaitMs = 0 } = check;
  if (!actions.every(isAction)) throw invalidField("check.actions", `of ${ACTIONS.join(", ")}`);
  // A name with a typing error in it would let through what was meant to be checked.
  const unknown = named.find((name) => !Object.hasOwn(tools, name));
  if (unknown !== undefined) throw invalidField("check.tools", "names of the tools above");
  if (!(timeoutMs > 0 && timeoutMs <= CHECK_MS_MAX)) {
    throw invalidField("check.timeoutMs", `more than 0 and at most ${CHECK_MS_MAX} milliseconds`);
  }
  if (!(approvalWaitMs >= 0 && approvalWaitMs <= APPROVAL_WAIT_MS_MAX)) {
    throw invalidField("check.approvalWaitMs", `0 to ${APPROVAL_WAIT_MS_MAX} milliseconds`);
  }
  if (approvalWaitMs > 0 && !acceptPending) throw invalidField("check.approvalWaitMs", "only with acceptPending");
  const byAction = Object.entries(tools).filter(([, needs]) => needs.actions.some((one) => actions.includes(one)));
  const checkedTools = new Set([...named, ...byAction.map(([name]) => name)]);
  return { checkedTools, checkTimeoutMs: timeoutMs, acceptPending, approvalWaitMs };
}

/** Whether a list of methods, in which `x/*` stands for all that begin with `x/`, has this one. */
export function isOtherMethod(otherMethods: readonly string[], method: string): boolean {
  return otherMethods.some((listed) =>
    listed.endsWith("/*") ? method.startsWith(listed.slice(0, -1)) : listed === method,
  );
}

export function scopeOfTool(tool: string): string {
  return `mcp:tool:${tool}`;
}
