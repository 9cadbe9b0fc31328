import { inMs, type Report } from "../findings.ts";
import type { Scene } from "../scene.ts";
import { answered } from "./open-and-call.ts";

/** A step ends while a tool works for it. */
export async function completeDuringCall({ runtime, library, resources }: Scene, report: Report): Promise<void> {
  report.begin("A step is completed while a tool call is running");
  const call = { step: "catalog", tool: "index", resource: resources.library };
  await runtime.ask("mint", { step: "catalog", audience: resources.library });
  // With the token alone, as somebody who does not care that the step has ended.
  const running = runtime.ask("call", { ...call, withKept: true });
  await library.next("called");
  const closed = await runtime.ask("close", { step: "catalog" });
  const [ended, stopped] = await Promise.all([running, library.next("stopped")]);
  const afterMs = (ms: number) => Math.max(0, ms - closed.startedAtMs);
  const toolStoppedMs = afterMs(Number(stopped["atMs"]));
  const callerToldMs = afterMs(ended.endedAtMs);

  report.record(
    "close-acknowledged",
    "the close returns once every verifier concerned has applied it",
    closed.state === "COMPLETED" && closed.expected > 0 && closed.applied === closed.expected,
    `applied by ${closed.applied} of ${closed.expected} verifiers, credentials revoked: ${closed.revoked}, after ${inMs(closed.tookMs)}`,
    { closeMs: closed.tookMs, applied: closed.applied, expected: closed.expected, revoked: closed.revoked },
  );
  report.record(
    "call-stopped",
    "the running call is stopped: the tool is told, and the caller",
    stopped["aborted"] === 1 && ended.reason === "STEP_CLOSED" && ended.text === "",
    `tool told ${inMs(toolStoppedMs)} after the close was asked for, caller ${inMs(callerToldMs)}: ${ended.reason}`,
    { toolStoppedMs, callerToldMs, reason: ended.reason },
  );

  const again = await runtime.ask("call", { ...call, withKept: true });
  report.record(
    "retry-refused",
    "the same token, not expired, is refused with 401 from then on",
    again.status === 401 && again.secondsLeft > 0,
    `${answered(again)}, with ${again.secondsLeft.toFixed(0)} s of the token's life left`,
    { status: again.status, reason: again.reason, secondsLeft: again.secondsLeft },
  );
}
