import { readFileSync } from "node:fs";
import { type Command, Option } from "commander";
import { type Grant, parseGrant } from "../domain/grant.ts";
import type { UnixMicros } from "../domain/time.ts";
import type { OpenResponse, Steps } from "../gen/stint/v1/steps_pb.js";
import { StepState } from "../gen/stint/v1/types_pb.js";
import { CallError } from "../wire/call-error.ts";
import type { ClientOf } from "../wire/client.ts";
import { grantMessageOf } from "../wire/grant-message.ts";
import { durationOfSeconds, timestampOfMicros } from "../wire/timestamps.ts";
import { usageFailure } from "./failure.ts";
import { countFlag, durationFlag, listFlag } from "./flags.ts";
import { instantCell } from "./output/fields.ts";
import { showControls } from "./output/show-controls.ts";
import type { Session } from "./session.ts";

/** What is asked for when a step is opened from the command line. */
export type OpenOptions = {
  readonly run: string;
  readonly step: string;
  /** Absent: `AGENT_DEFAULT`. */
  readonly agent?: string;
  readonly attempt?: number;
  readonly workflow?: string;
  readonly purpose?: string;
  readonly grant?: string;
  readonly audience?: readonly string[];
  /** Seconds. */
  readonly expiresIn?: number;
  readonly lease?: number;
  readonly parent?: string;
  readonly parentTokenFile?: string;
  readonly requestId?: string;
  readonly allowPartial?: boolean;
  readonly acceptPending?: boolean;
  readonly principalTokenFile?: string;
};

/**
 * Who may fetch the step's credentials: the command line itself only where it stays to hand them on, since it is otherwise gone
 * before anyone could use them.
 */
export type WantedExecutor =
  | { readonly case: "self"; readonly value: Record<never, never> }
  | { readonly case: "any"; readonly value: Record<never, never> }
  | { readonly case: "pid"; readonly value: number }
  | { readonly case: "tree"; readonly value: { readonly pid: number } };

/** The agent that `stint dev` registers; elsewhere most likely no entry has this name, and the step is refused. */
export const AGENT_DEFAULT = "dev";
/** What the broker says to whoever may not open steps for an agent, or where none has the name. */
const NOT_FOR_THE_AGENT: ReadonlySet<string | undefined> = new Set(["NOT_ENTITLED", "ENTRY_NOT_FOUND"]);

export function addOpenFlags(command: Command): Command {
  return command
    .requiredOption("--run <run>", "the run it belongs to")
    .requiredOption("--step <step>", "its name in the run")
    .option("--agent <agent>", `the agent that does it; absent: ${AGENT_DEFAULT}, which stint dev registers`)
    .option("--attempt <number>", "which attempt; absent: the next", countFlag)
    .option("--workflow <name>", "the workflow definition's name")
    .option("--purpose <text>", "recorded; decides nothing")
    .option("--grant <json|@file>", "what it may do: authorization_details as JSON, or a file of it")
    .option("--audience <audience>", "an audience beyond the grant's locations; may be repeated", listFlag)
    .option("--expires-in <time>", "when it ends at the latest, e.g. 5m", durationFlag)
    .option("--parent <step-id>", "the step that it is delegated from")
    .option("--principal-token-file <file>", "a file of the OIDC token of whom it works for; read once")
    .addOption(
      new Option(
        "--parent-token-file <path>",
        "the file of a delegation token that another runtime made for this one",
      ).conflicts("parent"),
    )
    .option("--allow-partial", "take the part of the grant that is permitted")
    .option("--accept-pending", "wait where policies hold it back until an operator approves it");
}

/**
 * The request that the flags make.
 *
 * @param now - milliseconds since 1970.
 * @throws Failure when the grant or the token can't be read, BrokerError INVALID_FIELD when it is no grant
 */
export function openRequestOf(
  options: OpenOptions,
  executor: WantedExecutor,
  now: number,
): Parameters<ClientOf<typeof Steps>["open"]>[0] {
  return {
    runId: options.run,
    step: options.step,
    agent: options.agent ?? AGENT_DEFAULT,
    workflow: options.workflow ?? "",
    purpose: options.purpose ?? "",
    grant: grantMessageOf(options.grant === undefined ? [] : grantOf(options.grant)),
    audiences: [...(options.audience ?? [])],
    parentStepId: options.parent ?? "",
    parentToken: options.parentTokenFile === undefined ? "" : parentTokenIn(options.parentTokenFile),
    requestId: options.requestId ?? "",
    allowPartial: options.allowPartial ?? false,
    acceptPending: options.acceptPending ?? false,
    principalToken: tokenIn(options.principalTokenFile),
    executor: { executor },
    ...(options.attempt === undefined ? {} : { attempt: options.attempt }),
    ...(options.lease === undefined ? {} : { lease: durationOfSeconds(options.lease) }),
    ...(options.expiresIn === undefined ? {} : { expiresAt: after(options.expiresIn, now) }),
  };
}

/** Waits for a step to be opened. Says so where it waits for approval, and where it is refused what else could be asked. */
export async function opened(
  answer: Promise<OpenResponse>,
  { agent, acceptPending }: OpenOptions,
  { note }: Pick<Session, "note">,
): Promise<OpenResponse> {
  try {
    const response = await answer;
    const { step } = response;
    if (step?.state === StepState.PENDING_APPROVAL) {
      note(`step ${step.stepId} waits for approval, until ${instantCell(step.approval?.until)}`);
    }
    return response;
  } catch (thrown) {
    if (agent === undefined && thrown instanceof CallError && NOT_FOR_THE_AGENT.has(thrown.reason)) {
      note(`no --agent was given, so it was asked for ${AGENT_DEFAULT}, which only stint dev registers`);
    }
    const approval = thrown instanceof CallError ? thrown.metadata["approval"] : undefined;
    if (approval !== undefined && acceptPending !== true) {
      note(`with --accept-pending it is asked for, and waits until ${showControls(approval)} approve it`);
    }
    throw thrown;
  }
}

function after(seconds: number, now: number) {
  return timestampOfMicros((Math.floor(now) * 1_000 + seconds * 1_000_000) as UnixMicros);
}

/** A token is never an argument: those are for everybody to see, in the list of processes. */
function parentTokenIn(path: string): string {
  const token = readText(path, "--parent-token-file").trim();
  if (token === "") throw usageFailure("--parent-token-file: the file is empty");
  return token;
}

/**
 * A grant as a flag gives it.
 *
 * @throws Failure when it can't be read, BrokerError INVALID_FIELD when it is no grant
 */
export function grantOf(flag: string): Grant {
  return parseGrant(readJson(flag, "--grant"), { ceiling: false });
}

/** @throws Failure */
function tokenIn(file: string | undefined): string {
  if (file === undefined) return "";
  let token: string;
  try {
    token = readFileSync(file, "utf8").trim();
  } catch (thrown) {
    throw usageFailure(`--principal-token-file: can't read the file (${codeOf(thrown)})`);
  }
  // Without a token the step would be opened for nobody.
  if (token === "") throw usageFailure("--principal-token-file: the file is empty");
  return token;
}

/**
 * The JSON that a flag holds, or the file that the flag names.
 *
 * @throws Failure
 */
export function readJson(flag: string, name: string): unknown {
  const text = flag.startsWith("@") ? readText(flag.slice(1), name) : flag;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw usageFailure(`${name}: JSON, or @ and the name of a file that holds it`);
  }
}

function readText(path: string, name: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (thrown) {
    throw usageFailure(`${name}: can't read the file (${codeOf(thrown)})`);
  }
}

export function codeOf(thrown: unknown): string {
  return thrown instanceof Error && "code" in thrown ? String(thrown.code) : "unknown";
}
