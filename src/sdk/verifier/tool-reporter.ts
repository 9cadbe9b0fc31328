import { LIMITS } from "../../domain/limits.ts";
import { isRecordable, type ToolDefinition } from "../../domain/tool-definition.ts";
import { ToolState, Tools } from "../../gen/stint/v1/tools_pb.js";
import { VerificationError } from "../../verify/verification-error.ts";
import { callErrorOf } from "../../wire/call-error.ts";
import { lateClient } from "./late-client.ts";

/**
 * What the broker says of a definition: only what is `pinned` may be served. `changed`: another one is pinned; `waiting`: none is until an
 * operator accepts one; `unknown`: it is too large to be recorded, or the broker is newer than this.
 */
export type ToolVerdict = "pinned" | "changed" | "waiting" | "unknown";

export type ToolReportOptions = {
  /** How long the broker may take, in milliseconds. Default: 2,000. */
  readonly timeoutMs?: number;
};

export type ToolReporter = {
  /** @returns a verdict for each tool. @throws VerificationError UNAVAILABLE, OVERLOADED */
  report(
    location: string,
    tools: readonly ToolDefinition[],
    options: ToolReportOptions,
  ): Promise<ReadonlyMap<string, ToolVerdict>>;
  close(): void;
};

const TIMEOUT_MS_DEFAULT = 2_000;
/** Of one report: the broker takes 64 KiB, in which a definition has its name and digest beside it. */
const REPORT_BYTES_MAX = 48 * 1_024;

/** Tells the broker of tools, on a connection of its own, made with the first report. */
export function createToolReporter(endpoint: string): ToolReporter {
  const client = lateClient(Tools, endpoint);

  async function ask(
    location: string,
    tools: readonly Told[],
    deadlineMs: number,
  ): Promise<ReadonlyMap<string, ToolState>> {
    const request = {
      location,
      tools: tools.map(({ tool, sha256, json }) => ({
        tool,
        definitionSha256: new Uint8Array(Buffer.from(sha256, "hex")),
        definitionJson: json,
      })),
    };
    try {
      const answer = await client.connected().report(request, { deadlineMs });
      return new Map(answer.tools.map(({ tool, state }) => [tool, state]));
    } catch (thrown) {
      throw unansweredOf(thrown);
    }
  }

  return {
    async report(location, tools, { timeoutMs = TIMEOUT_MS_DEFAULT }) {
      const verdicts = new Map<string, ToolVerdict>();
      const wanted: Told[] = [];
      for (const part of partsOf(tools.map((shown) => ({ ...shown, json: "" })))) {
        const states = await ask(location, part, timeoutMs);
        for (const shown of part) {
          const state = states.get(shown.tool);
          verdicts.set(shown.tool, verdictOf(state));
          if (state === ToolState.UNKNOWN && isRecordable(shown)) wanted.push({ ...shown, json: shown.definition });
        }
      }
      for (const part of partsOf(wanted)) {
        for (const [tool, state] of await ask(location, part, timeoutMs)) verdicts.set(tool, verdictOf(state));
      }
      return verdicts;
    },
    close: client.close,
  };
}

/** A definition with what is told of it: nothing but its digest where `json` is empty. */
type Told = ToolDefinition & { readonly json: string };

/** As many reports as it takes. */
function partsOf(tools: readonly Told[]): readonly (readonly Told[])[] {
  const parts: Told[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const shown of tools) {
    const size = Buffer.byteLength(shown.json);
    const last = parts.at(-1);
    if (last === undefined || last.length >= LIMITS.toolsPerReportMax || bytes + size > REPORT_BYTES_MAX) {
      parts.push([shown]);
      bytes = size;
    } else {
      last.push(shown);
      bytes += size;
    }
  }
  return parts;
}

function verdictOf(state: ToolState | undefined): ToolVerdict {
  switch (state) {
    case ToolState.PINNED:
      return "pinned";
    case ToolState.CHANGED:
      return "changed";
    case ToolState.WAITING:
      return "waiting";
    default:
      return "unknown";
  }
}

function unansweredOf(thrown: unknown): VerificationError {
  const error = callErrorOf(thrown);
  if (error.reason === "LIMIT_EXCEEDED") return new VerificationError("OVERLOADED", "the broker is asked too often");
  const why = error.unreachable ? "the broker does not answer" : "the broker does not take it";
  return new VerificationError("UNAVAILABLE", `what tools the server shows can't be reported: ${why}`);
}
