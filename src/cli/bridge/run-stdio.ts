import { BridgeRefusal } from "../../bridge/bridge-refusal.ts";
import { createForward } from "../../bridge/forward.ts";
import { bridgeStdio } from "../../bridge/stdio-bridge.ts";
import { locationsOf } from "../../domain/grant.ts";
import { PULSE_MS } from "../../sdk/mcp-guard/alive-answer.ts";
import { locationFor } from "../../sdk/runtime/location-for.ts";
import { EXIT, Failure, usageFailure } from "../failure.ts";
import type { Session } from "../session.ts";
import { stepEndSentence } from "../step-end.ts";
import { listenForStop, STOPPING_OR_QUITTING } from "../stop-signal.ts";
import { workAsStep } from "./as-step.ts";
import { bridgedStep } from "./bridged-step.ts";
import type { ClientOptions } from "./run-client.ts";

/**
 * Is a server over standard input and output for the client that has started this process, and calls the one server that was named.
 *
 * @returns 0 once the input has ended, 128 and the signal's number after a signal, 1 if the step ended first
 * @throws CallError when the step can't be opened, Failure when it ended at once or does not have the server
 */
export async function runStdio(session: Session, options: ClientOptions): Promise<number> {
  const [url = "", ...more] = options.server ?? [];
  if (more.length > 0 || !URL.canParse(url)) throw usageFailure("--stdio: expected one --server, which is a URL");
  if (options.mcpConfig !== undefined) throw usageFailure("--stdio: its client reads no --mcp-config");
  using stop = listenForStop(STOPPING_OR_QUITTING);
  try {
    const steps = session.workload();
    const step = await bridgedStep(session, steps, options, stop.signal);
    return await workAsStep(session, steps, step, options.proof, {
      async run(opened) {
        if (locationFor(new URL(url), locationsOf(opened.grant)) === undefined) {
          throw new Failure("the step's grant has no location for the server", EXIT.refused);
        }
        const told = (line: string) => session.note(`bridge: ${line}`);
        const forward = createForward({ step: opened, told, pulseMs: PULSE_MS });
        const { input, out: output } = session.context;
        await bridgeStdio({ url, forward, input, output, stop: stop.signal });
        return stop.exitStatus() ?? EXIT.done;
      },
      // The client is not ours to end: its calls are answered with the reason, until it goes.
      ended: (end) => session.note(`${stepEndSentence(end)}; the client's calls are refused from now on`),
      outcomeOf: (exitStatus) => (exitStatus === EXIT.done ? "COMPLETED" : "CANCELLED"),
    });
  } catch (thrown) {
    if (thrown instanceof BridgeRefusal) throw new Failure(`${thrown.reason}: ${thrown.message}`, EXIT.refused);
    throw thrown;
  }
}
