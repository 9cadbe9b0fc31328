import { type Denial, denial } from "../../domain/errors.ts";
import type { LedgerEvent, StepsJudged } from "../../domain/ledger-event.ts";
import { isRiskier } from "../../domain/risk.ts";
import { hasExpired } from "../../domain/step.ts";
import type { UnixSeconds } from "../../domain/time.ts";
import type { JudgeStepsResult, SetRiskResult } from "../../ports/ledger-acts.ts";
import type { JudgedStep, JudgeStepsAct, SetRiskAct } from "../../ports/policy-acts.ts";
import { ask, type Deliberation, read, recorded, refused } from "../rule.ts";
import type { LiveStep } from "../view.ts";
import { type Closing, closingOf } from "./closing.ts";
import { eachDecidedOn, guardsOf } from "./refusals.ts";
import { sequenced, writtenFrom } from "./sequenced.ts";

/** So many ids, at 44 bytes each, stay well below the largest size of one event. */
const JUDGED_PER_EVENT_MAX = 1_000;

export function* setRisk(act: SetRiskAct): Deliberation<SetRiskResult | Denial> {
  const { scope, level, reason, raisesOnly, by, now } = act;
  const { before } = yield* ask({ before: read("risk", scope) });
  const inForce = before === undefined || hasExpired(before.expiresAt, now) ? undefined : before;
  if (raisesOnly === true && inForce !== undefined && isRiskier(inForce.level, level)) {
    return refused(denial("NOT_ENTITLED", `the risk is ${inForce.level}: only an admin lowers it, or it lapses`));
  }
  // Otherwise a level that is raised for a second would be lowered by its lapse.
  const lasts =
    raisesOnly === true && inForce !== undefined && inForce.level !== "low" ? inForce.expiresAt : act.expiresAt;
  const expiresAt = Math.max(lasts, act.expiresAt) as UnixSeconds;
  const event = { type: "risk.set", v: 1, at: now, scope, level, expiresAt, reason, by } as const;
  return recorded([event], (sequence) => ({ ...sequenced(sequence), expiresAt }));
}

export function* judgeSteps({ through, judged, now }: JudgeStepsAct): Deliberation<JudgeStepsResult> {
  const decisions = judged.map(({ decidedOn }) => decidedOn);
  const found = yield* ask({
    steps: judged.map(({ stepId }) => read("step", stepId)),
    live: read("liveSteps", { kind: "steps", stepIds: judged.flatMap((one) => (one.denial ? [one.stepId] : [])) }, now),
    ...guardsOf(decisions),
  });
  const refusalOf = eachDecidedOn(decisions, found);
  const open = judged
    .map((one) => ({ ...one, isOutdated: refusalOf(one.decidedOn) !== undefined }))
    .filter((_, index) => found.steps[index]?.state === "OPEN");
  const outdated = open.filter(({ isOutdated }) => isOutdated).map(({ stepId }) => stepId);
  const standing = open.filter(({ isOutdated }) => !isOutdated);
  const denials = standing.filter(({ denial }) => denial !== undefined);
  const closing = closingByDecisions(found.live, denials, now);
  const events: LedgerEvent[] = [
    ...denials.flatMap(({ denial: decision }): readonly LedgerEvent[] =>
      decision === undefined ? [] : [{ type: "decision.made", v: 1, at: now, decision }],
    ),
    ...closing.events,
    ...judgedEvents(
      standing.filter(({ denial }) => denial === undefined),
      { through, now },
    ),
  ];
  const { stepsClosed, credentialsRevoked } = closing;
  return recorded(events, (first) => ({
    kind: "judged",
    ...writtenFrom(first, events.length),
    stepsClosed,
    credentialsRevoked,
    outdated,
  }));
}

/** Closes the denied steps with their descendants, each with the decision that says why. */
function closingByDecisions(live: readonly LiveStep[], denials: readonly JudgedStep[], now: JudgeStepsAct["now"]) {
  const by = { kind: "broker", cause: "policy" } as const;
  const decisions = new Map(denials.map(({ stepId, denial }) => [stepId, denial?.decisionId]));
  const isDue = ({ stepId }: LiveStep) => decisions.has(stepId);
  const closing: Closing = closingOf(live, { state: "REVOKED", reason: "privilegeWithdrawn", by, now }, isDue);
  const events = closing.events.map((event) => {
    const decisionId = decisions.get(event.stepId);
    return decisionId === undefined ? event : { ...event, decisionId };
  });
  return { ...closing, events };
}

function judgedEvents(
  steps: readonly JudgedStep[],
  { through, now: at }: Pick<JudgeStepsAct, "through" | "now">,
): readonly StepsJudged[] {
  const events: StepsJudged[] = [];
  for (let start = 0; start < steps.length; start += JUDGED_PER_EVENT_MAX) {
    const stepIds = steps.slice(start, start + JUDGED_PER_EVENT_MAX).map(({ stepId }) => stepId);
    events.push({ type: "steps.judged", v: 1, at, through, stepIds });
  }
  return events;
}
