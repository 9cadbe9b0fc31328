import { BrokerError, invalidField } from "../domain/errors.ts";
import { checkResourceUri, isToolName } from "../domain/grant.ts";
import { LIMITS } from "../domain/limits.ts";
import { formatProcess } from "../domain/process.ts";
import type { Attested } from "../domain/stages.ts";
import { checkReportedDefinition, type ToolDefinition, toolStateOf } from "../domain/tool-definition.ts";
import type { Clock } from "../ports/clock.ts";
import type { InForce } from "../ports/following.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { ReportedTool } from "../ports/tool-acts.ts";
import type { ToolReads } from "../ports/tool-reads.ts";
import { verifierFor } from "./asker.ts";
import type { CallRate } from "./call-rate.ts";

/** A tool as a verifier was shown it; `json` is empty where the verifier takes the broker to know the definition. */
export type ShownDefinition = { readonly tool: string; readonly sha256: Uint8Array; readonly json: string };

/** Where it stands; `unknown`: the broker wants the definition. */
export type ReportedState =
  | ReportedTool
  | { readonly tool: string; readonly state: "unknown"; readonly pinned?: string; readonly isRecorded: false };

export type ReportToolsPorts = {
  readonly ledger: Pick<Ledger, "perform">;
  readonly tools: Pick<ToolReads, "kept">;
  readonly rate: CallRate;
  /** Whether a definition is pinned when its tool is seen first; otherwise an operator accepts it. */
  readonly pinsFirst: boolean;
  /** Waits until those who look at pins beside the ledger have them. */
  readonly inToolDirectory: InForce;
  readonly clock: Pick<Clock, "now">;
};

const SHA256_BYTES = 32;

/**
 * Records what tools a verifier was shown at a location of its own, and says which of them may be called. What is known is
 * answered without an act of the ledger.
 *
 * @throws BrokerError NOT_ENTITLED for whoever is not the verifier of the location; INVALID_FIELD, LIMIT_EXCEEDED,
 *   LEDGER_UNAVAILABLE
 */
export async function reportTools(
  caller: Attested,
  { location, tools }: { readonly location: string; readonly tools: readonly ShownDefinition[] },
  ports: ReportToolsPorts,
): Promise<readonly ReportedState[]> {
  checkResourceUri(location, "location");
  const entry = verifierFor(caller, location);
  if (entry === undefined) throw new BrokerError("NOT_ENTITLED", "only the verifier of a location reports its tools");
  const shown = checked(tools);
  ports.rate.take(entry.entryId);
  const states = await Promise.all(shown.map((one) => stateOf(location, one, ports)));
  const given = shown.flatMap((one, index) => (states[index] === undefined ? (one.definition ?? []) : []));
  const recorded = given.length === 0 ? [] : await record(caller, entry.entryId, location, given, ports);
  return shown.map(({ tool }, index): ReportedState => {
    const found = states[index] ?? recorded.find((one) => one.tool === tool);
    return found ?? { tool, state: "unknown", isRecorded: false };
  });
}

type Shown = { readonly tool: string; readonly sha256: string; readonly definition: ToolDefinition | undefined };

function checked(tools: readonly ShownDefinition[]): readonly Shown[] {
  if (tools.length === 0 || tools.length > LIMITS.toolsPerReportMax) {
    throw invalidField("tools", `1 to ${LIMITS.toolsPerReportMax}`);
  }
  if (new Set(tools.map(({ tool }) => tool)).size !== tools.length) throw invalidField("tools", "no tool twice");
  return tools.map(({ tool, sha256: bytes, json }, index) => {
    const field = `tools[${index}]`;
    if (!isToolName(tool)) throw invalidField(`${field}.tool`, "the name of one tool");
    const sha256 = hexDigestOf(bytes, `${field}.definition_sha256`);
    const definition = json === "" ? undefined : checkReportedDefinition({ tool, sha256, json }, field);
    return { tool, sha256, definition };
  });
}

/** @throws BrokerError INVALID_FIELD */
export function hexDigestOf(bytes: Uint8Array, field: string): string {
  if (bytes.length !== SHA256_BYTES) throw invalidField(field, `${SHA256_BYTES} bytes`);
  return Buffer.from(bytes).toString("hex");
}

/** Of a definition that is kept; `undefined` for any other. */
async function stateOf(
  location: string,
  { tool, sha256 }: Shown,
  { tools }: ReportToolsPorts,
): Promise<ReportedTool | undefined> {
  const known = await tools.kept(location, tool);
  if (known?.definitions.includes(sha256) !== true) return undefined;
  const { pinned } = known;
  const state = toolStateOf(sha256, pinned);
  return { tool, state, isRecorded: true, ...(pinned === undefined ? {} : { pinned }) };
}

async function record(
  { process }: Attested,
  entryId: string,
  location: string,
  tools: readonly ToolDefinition[],
  { ledger, pinsFirst, inToolDirectory, clock }: ReportToolsPorts,
): Promise<readonly ReportedTool[]> {
  const by = { kind: "entry", entryId, process: formatProcess(process) } as const;
  const result = await ledger.perform({ act: "report-tools", location, tools, pinsFirst, by, now: clock.now() });
  await inToolDirectory(result.sequence);
  return result.tools;
}
