import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type McpServers, rewrittenServers, type Sorted, sortedServers } from "../../bridge/mcp-servers.ts";
import { type Bridge, startBridge } from "../../bridge/start-bridge.ts";
import { locationsOf } from "../../domain/grant.ts";
import { PULSE_MS } from "../../sdk/mcp-guard/alive-answer.ts";
import type { Outcome, Step } from "../../sdk/runtime/index.ts";
import { EXIT, Failure } from "../failure.ts";
import { type Gate, startGate } from "../gate.ts";
import { showControls } from "../output/show-controls.ts";
import { type EndOptions, endCommand } from "../run-as-step.ts";
import type { Session } from "../session.ts";
import { isStopped, listenForStop, STOPPING_OR_QUITTING } from "../stop-signal.ts";
import { workAsStep } from "./as-step.ts";
import { type BridgedStep, type BridgedStepOptions, bridgedStep } from "./bridged-step.ts";
import { givenServers } from "./given-servers.ts";

export type ClientOptions = BridgedStepOptions &
  EndOptions & {
    readonly mcpConfig?: string;
    readonly server?: readonly string[];
    readonly otherServers: "omit" | "keep";
  };

/** In the client's arguments, stands for the file that it is given. */
const CONFIG = "{config}";
type Terms = {
  readonly steps: ReturnType<Session["workload"]>;
  readonly options: ClientOptions;
  readonly servers: McpServers;
  readonly gate: Gate;
  /** Where the client's configuration goes, in a directory that is there. */
  readonly path: string;
};

/**
 * Runs a client with a bridge between it and its servers. Its process exists before the step does, as with `stint step run`; but it is this
 * process that executes the step.
 *
 * @returns the client's exit status, but never 0 if the step ended before the client did
 * @throws CallError when the step can't be opened, Failure when it ended at once or has none of the servers; nothing has then run
 */
export async function runClient(session: Session, options: ClientOptions, command: readonly string[]): Promise<number> {
  const servers = givenServers(options.mcpConfig, options.server ?? []);
  // Of mode 0700: nobody else gets to see even the names.
  const directory = mkdtempSync(join(tmpdir(), "stint-bridge-"));
  const path = join(directory, "mcp.json");
  try {
    const words = command.map((word) => word.replaceAll(CONFIG, () => path));
    const gate = startGate(words, { STINT_MCP_CONFIG: path });
    using stop = listenForStop(STOPPING_OR_QUITTING);
    try {
      const steps = session.workload();
      const step = await bridgedStep(session, steps, options, stop.signal);
      return await runHeld(session, step, { steps, options, servers, gate, path });
    } catch (thrown) {
      await gate.refuse();
      throw thrown;
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function runHeld(session: Session, step: BridgedStep, terms: Terms): Promise<number> {
  const { steps, options, gate } = terms;
  const { stepId, name } = step.message;
  let isRunning = false;
  let kill: NodeJS.Timeout | undefined;
  try {
    return await workAsStep(session, steps, step, options.proof, {
      async run(opened) {
        const bridge = await bridgeFor(session, opened, terms);
        try {
          isRunning = true;
          return await gate.open({ STINT_STEP_ID: stepId, STINT_STEP_ATTEMPT: String(name?.attempt ?? "") });
        } finally {
          bridge.close();
        }
      },
      ended(end) {
        if (isRunning) kill = endCommand(session, gate, end, options);
      },
      outcomeOf,
    });
  } finally {
    clearTimeout(kill);
  }
}

/** Starts the bridge, and writes what the client is to know of it. */
async function bridgeFor(session: Session, step: Step, { servers, options, path }: Terms): Promise<Bridge> {
  const sorted = sortedServers(servers, locationsOf(step.grant));
  tellOthers(session, sorted, options);
  if (sorted.bridged.length === 0) {
    throw new Failure("the step's grant has a location for none of the servers; the client has not run", EXIT.refused);
  }
  const told = (line: string) => session.note(`bridge: ${line}`);
  const bridge = await startBridge(sorted.bridged, { step, told, pulseMs: PULSE_MS });
  const text = rewrittenServers(servers, sorted, { bridge, keepOthers: options.otherServers === "keep" });
  writeFileSync(path, text, { mode: 0o600, flag: "wx" });
  return bridge;
}

function tellOthers({ note }: Session, { others }: Sorted, { otherServers }: ClientOptions): void {
  for (const { name, why } of others) {
    const what = otherServers === "keep" ? "left as it is, without the step" : "left out";
    note(`server ${showControls(name)} is ${what}: ${why}`);
  }
}

/** How the step ended, by the client's exit status. */
function outcomeOf(exitStatus: number): Outcome {
  if (exitStatus === EXIT.done) return "COMPLETED";
  return isStopped(exitStatus) ? "CANCELLED" : "FAILED";
}
