import { type Step, StepState } from "../../gen/stint/v1/types_pb.js";
import { brokerNow } from "../live/broker-time.ts";
import { Link } from "../parts/link.tsx";
import { StateMark } from "../parts/state-mark.tsx";
import { Text } from "../parts/text.tsx";
import { placeOf } from "../route.ts";
import { MARKS, type Mark, type MarkKind, millisOf } from "./run-marks.ts";

const LINE_PX = 26;
/** Of the line: what is at its ends is drawn whole. */
const [MARGIN_PERCENT, DRAWN_PERCENT] = [1, 98];
/** Of what is too short to be seen. */
const BAR_PERCENT_MIN = 0.4;
/** Each of its own shape, around the instant that it is of: colour says nothing by itself. */
const SHAPES: Readonly<Record<MarkKind, string>> = {
  decision: "M0 5 L5 13 L0 21 L-5 13 Z",
  hold: "M-4 9 H4 V17 H-4 Z",
  credential: "M-1.5 2 H1.5 V24 H-1.5 Z",
  revocation: "M-6 9 L-4 7 L0 11 L4 7 L6 9 L2 13 L6 17 L4 19 L0 15 L-4 19 L-6 17 L-2 13 Z",
  receipt: "M0 7 L6 19 L-6 19 Z",
  closure: "M-6 7 H6 L0 19 Z",
};

/**
 * A bar a step, from its opening to its end, with a mark for each thing that became of it.
 *
 * @param marks - by the id of the step.
 */
export function Timeline({
  steps,
  marks,
}: {
  readonly steps: readonly Step[];
  readonly marks: ReadonlyMap<string, readonly Mark[]>;
}) {
  const now = brokerNow();
  const own = steps.map((step) => ({
    step,
    from: openedAt(step, now),
    to: endOf(step, now),
    marks: marks.get(step.stepId) ?? [],
  }));
  const instants = own.flatMap(({ from, to, marks: of }) => [from, to, ...of.map(({ at }) => at)]);
  const [begins, ends] = [Math.min(...instants), Math.max(...instants)];
  const share = (millis: number) => (ends === begins ? 0 : (millis - begins) / (ends - begins));
  const at = (millis: number) => MARGIN_PERCENT + share(millis) * DRAWN_PERCENT;
  return (
    <>
      <ul class="legend">
        {(Object.keys(MARKS) as MarkKind[]).map((kind) => (
          <li key={kind}>
            <svg viewBox={`-8 0 16 ${LINE_PX}`} aria-hidden="true">
              <path d={SHAPES[kind]} />
            </svg>{" "}
            {MARKS[kind][0]}
          </li>
        ))}
      </ul>
      <ol class="timeline">
        {own.map(({ step, from, to, marks: of }) => (
          <li key={step.stepId}>
            <span class="what">
              <Link to={placeOf(["steps", step.stepId])}>
                <Text text={step.name?.step ?? ""} /> {step.name?.attempt}
              </Link>{" "}
              <StateMark state={step.state} />
            </span>
            <svg role="img" aria-label={spokenOf(to - from, of)}>
              <rect
                class={`bar-${StepState[step.state]?.toLowerCase() ?? ""}`}
                x={`${at(from)}%`}
                y={6}
                width={`${Math.max(at(to) - at(from), BAR_PERCENT_MIN)}%`}
                height={LINE_PX - 12}
                rx={3}
              />
              {of.map(({ kind, at: instant, key }) => (
                <svg key={key} x={`${at(instant)}%`} overflow="visible" aria-hidden="true">
                  <path d={SHAPES[kind]} />
                </svg>
              ))}
            </svg>
          </li>
        ))}
      </ol>
    </>
  );
}

/** All that the line shows, for whoever does not see it. */
function spokenOf(millis: number, marks: readonly Mark[]): string {
  const counted = (Object.entries(MARKS) as [MarkKind, readonly [string, string]][]).flatMap(
    ([kind, [one, several]]) => {
      const count = marks.filter((mark) => mark.kind === kind).length;
      return count === 0 ? [] : [`${count} ${count === 1 ? one : several}`];
    },
  );
  return [`${Math.round(millis / 1_000)} s`, ...counted].join(", ");
}

function openedAt(step: Step, now: number): number {
  return step.openedAt === undefined ? now : millisOf(step.openedAt);
}

function endOf({ closedAt }: Step, now: number): number {
  return closedAt === undefined ? now : millisOf(closedAt);
}
