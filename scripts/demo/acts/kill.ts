import { connectOperator } from "stint-sdk/operator";
import { inMs, type Report } from "../findings.ts";
import { monotonicMs } from "../json-lines.ts";
import type { Scene } from "../scene.ts";
import { answered, element } from "./open-and-call.ts";

const PATIENCE_MS = 10_000;

/** A runtime dies without a word. @returns the credentials that it had been given. */
export async function killRuntime(scene: Scene, report: Report): Promise<readonly string[]> {
  report.begin("A runtime is killed (SIGKILL) in the middle of a step");
  const { runtime, doomed, resources, run } = scene;
  const opened = await doomed.ask("open", {
    agent: "researcher",
    run,
    step: "draft",
    grant: [element(resources.library, "search", "read", ["public"])],
  });
  const before = await doomed.ask("call", { step: "draft", tool: "search", resource: resources.library });
  const received = await doomed.ask("received");
  const { token } = await doomed.ask("mint", { step: "draft", audience: resources.library });

  const { operatorSocket } = scene.broker;
  const closing = nextClose(operatorSocket, opened.stepId);
  await closing.watching;
  const killedAtMs = monotonicMs();
  await doomed.kill();
  const closed = await closing.closed;
  const abandonedMs = closed.atMs - killedAtMs;
  report.record(
    "abandoned",
    "its step is abandoned",
    before.status === 200 && closed.state === "ABANDONED",
    `${closed.state}, in the ledger ${inMs(abandonedMs)} after the kill`,
    { state: closed.state, abandonedMs },
  );

  const copied = { step: "draft", tool: "search", resource: resources.library, token };
  const after = await runtime.ask("callWith", copied);
  report.record(
    "copied-token-refused",
    "a copy of its token in another process is refused with 401",
    after.status === 401 && after.secondsLeft > 0,
    `${answered(after)}, with ${after.secondsLeft.toFixed(0)} s of the token's life left`,
    { status: after.status, reason: after.reason, secondsLeft: after.secondsLeft },
  );
  return received;
}

/** Follows the ledger until the step is closed. `watching`: from when on nothing is missed. */
function nextClose(operatorSocket: string, stepId: string) {
  const watching = Promise.withResolvers<void>();
  async function follow() {
    const operator = connectOperator({ socket: operatorSocket });
    try {
      const { sequence } = await operator.ledger.get({});
      watching.resolve();
      const events = operator.history.tailEvents({ afterSequence: sequence }, { deadlineMs: PATIENCE_MS });
      for await (const { event } of events) {
        if (event?.type !== "step.closed") continue;
        const said = JSON.parse(Buffer.from(event.canonical).toString()) as { stepId: string; state: string };
        if (said.stepId === stepId) return { state: said.state, atMs: monotonicMs() };
      }
      return { state: "", atMs: Number.POSITIVE_INFINITY };
    } finally {
      operator.close();
    }
  }
  return { watching: watching.promise, closed: follow() };
}
