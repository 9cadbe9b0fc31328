import { inMs, type Report } from "../findings.ts";
import type { Scene } from "../scene.ts";
import { Refused } from "../start-actor.ts";
import { answered, element } from "./open-and-call.ts";

/** Less than a step has where nothing is said. */
const PARENT_SECONDS = 120;

/** Gives a part of a step's authority to another process. @returns the decision that refused more. */
export async function delegate(scene: Scene, report: Report): Promise<string> {
  const ofWhom = scene.users === 1 ? "another process" : "a process of another user";
  report.begin(`A sub-agent, ${ofWhom}, gets a part of a step's authority`);
  const { runtime, subAgent, resources, run } = scene;
  const parent = await runtime.ask("open", {
    agent: "researcher",
    run,
    step: "review",
    seconds: PARENT_SECONDS,
    grant: [element(resources.library, "search", "read", ["public"])],
  });
  const child = { agent: "reader", run, step: "skim", parent: "review", executorPid: subAgent.pid };
  const narrow = [element(resources.library, "search", "read", ["public"])];
  const wide = [element(resources.library, "search", "read", ["public", "internal"])];

  const refusal = await refusalOf(runtime.ask("open", { ...child, grant: wide }));
  const decisionId = refusal?.metadata["decision_id"] ?? "";
  report.record(
    "never-wider",
    "a child step with more than its parent holds is refused, though its agent might have it",
    refusal?.reason === "DELEGATION_REFUSED" && decisionId !== "",
    `${refusal?.reason ?? "not refused"}, decision ${decisionId}`,
    { reason: refusal?.reason ?? "", decisionId },
  );

  const opened = await runtime.ask("open", { ...child, grant: narrow });
  report.record(
    "never-longer",
    "a child step ends with its parent at the latest",
    opened.expiresAtMs <= parent.expiresAtMs,
    `${opened.spiffeId}, ${opened.secondsLeft.toFixed(0)} s left as its parent has`,
    { childExpiresAtMs: opened.expiresAtMs, parentExpiresAtMs: parent.expiresAtMs },
  );

  const notIts = await refusalOf(runtime.ask("mint", { step: "skim", audience: resources.library }));
  report.record(
    "executor-only",
    "only the child's own process is given its credentials, its parent's is not",
    notIts?.reason === "NOT_ENTITLED",
    notIts?.reason ?? "not refused",
    { reason: notIts?.reason ?? "" },
  );

  await subAgent.ask("resume", { step: "skim", stepId: opened.stepId });
  const call = { step: "skim", tool: "search", resource: resources.library };
  const granted = await subAgent.ask("call", call);
  report.record("child-works", "the sub-agent calls the tool it was given", granted.status === 200, answered(granted), {
    status: granted.status,
    callMs: granted.tookMs,
  });

  const ending = subAgent.ask("ended", { step: "skim" });
  const closed = await runtime.ask("close", { step: "review" });
  const ended = await ending;
  const after = await subAgent.ask("call", { ...call, withKept: true });
  report.record(
    "ends-with-parent",
    "when the parent is completed the child is cancelled with it, and its token refused with 401",
    ended.state === "CANCELLED" && closed.descendants === 1 && after.status === 401 && after.secondsLeft > 0,
    `${ended.state}, ${closed.descendants} descendant closed after ${inMs(closed.tookMs)}; then ${answered(after)}`,
    { state: ended.state, descendants: closed.descendants, closeMs: closed.tookMs, status: after.status },
  );
  return decisionId;
}

async function refusalOf(asked: Promise<unknown>): Promise<Refused | undefined> {
  try {
    await asked;
    return undefined;
  } catch (thrown) {
    if (thrown instanceof Refused) return thrown;
    throw thrown;
  }
}
