import { eventView } from "../../cli/output/event-view.ts";
import { type Issuance, type Step, StepState } from "../../gen/stint/v1/types_pb.js";
import { history } from "../api/clients.ts";
import { brokerNow } from "../live/broker-time.ts";
import { useLoaded } from "../live/use-live.ts";
import { Link } from "../parts/link.tsx";
import { StateMark } from "../parts/state-mark.tsx";
import { Nothing, Shown } from "../parts/states.tsx";
import { Table } from "../parts/table.tsx";
import { Text } from "../parts/text.tsx";
import { placeOf } from "../route.ts";

const STEPS = 500;
const EVENTS = 500;

/** A run as it went: a line of time for each step, what was delegated to whom, and every event. */
export function RunPage({ runId }: { readonly runId: string }) {
  const loaded = useLoaded(
    async (signal) => {
      const filter = { runId, pageSize: STEPS, oldestFirst: true };
      const [steps, issuances, events] = await Promise.all([
        history.listSteps({ filter }, { signal }),
        history.listIssuances({ filter }, { signal }),
        history.listEvents({ filter: { ...filter, pageSize: EVENTS } }, { signal }),
      ]);
      return {
        steps: steps.steps,
        isMore: steps.nextPageToken !== "" && steps.steps.length === STEPS,
        issuances: issuances.issuances,
        events: events.events,
      };
    },
    [runId],
    { restMs: 1_000 },
  );
  return (
    <>
      <h1>
        Run <Text text={runId} />
      </h1>
      <p class="buttons">
        <Link to={placeOf(["reach"], [["run", runId]])}>Blast radius and revoke</Link>
        <Link to={placeOf(["search", "decisions"], [["run", runId]])}>Decisions</Link>
        <Link to={placeOf(["search", "issuances"], [["run", runId]])}>Credentials</Link>
      </p>
      <Shown loaded={loaded}>
        {({ steps, isMore, issuances, events }) =>
          steps.length === 0 ? (
            <Nothing>No step of a run with this name was ever opened.</Nothing>
          ) : (
            <>
              <section aria-labelledby="timeline">
                <h2 id="timeline">Timeline</h2>
                {isMore && <p class="warning">Only the first {STEPS} steps are drawn; the history has all of them.</p>}
                <Timeline steps={steps} issuances={issuances} />
              </section>
              <section aria-labelledby="tree">
                <h2 id="tree">Delegation</h2>
                <Branch steps={steps} parent="" />
              </section>
              <section aria-labelledby="events">
                <h2 id="events">Events</h2>
                <Table
                  caption="Events of this run, oldest first"
                  view={eventView}
                  rows={events}
                  keyOf={({ sequence }) => String(sequence)}
                  to={({ sequence }) => placeOf(["proof"], [["sequence", String(sequence)]])}
                />
              </section>
            </>
          )
        }
      </Shown>
    </>
  );
}

const LINE_PX = 26;
const WIDTH = 1_000;

/** A bar a step, from its opening to its end, with a tick for each credential. What it shows is in the list below it, too. */
function Timeline({ steps, issuances }: { readonly steps: readonly Step[]; readonly issuances: readonly Issuance[] }) {
  const now = brokerNow();
  const begins = Math.min(...steps.map(({ openedAt }) => millisOf(openedAt) ?? now));
  const ends = Math.max(...steps.map((step) => endOf(step, now)));
  const at = (millis: number) => (ends === begins ? 0 : ((millis - begins) / (ends - begins)) * WIDTH);
  return (
    <ol class="timeline">
      {steps.map((step) => {
        const from = at(millisOf(step.openedAt) ?? begins);
        const to = at(endOf(step, now));
        const own = issuances.filter(({ stepId }) => stepId === step.stepId);
        return (
          <li key={step.stepId}>
            <span class="what">
              <Link to={placeOf(["steps", step.stepId])}>
                <Text text={step.name?.step ?? ""} /> {step.name?.attempt}
              </Link>{" "}
              <StateMark state={step.state} />
            </span>
            <svg
              viewBox={`0 0 ${WIDTH} ${LINE_PX}`}
              preserveAspectRatio="none"
              role="img"
              aria-label={spokenOf(step, own.length, now)}
            >
              <rect
                class={`bar-${StepState[step.state]?.toLowerCase() ?? ""}`}
                x={from}
                y={6}
                width={Math.max(to - from, 3)}
                height={LINE_PX - 12}
                rx={3}
              />
              {own.map(({ issuanceId, issuedAt }) => (
                <line
                  key={issuanceId}
                  class="tick"
                  x1={at(millisOf(issuedAt) ?? begins)}
                  x2={at(millisOf(issuedAt) ?? begins)}
                  y1={2}
                  y2={LINE_PX - 2}
                />
              ))}
            </svg>
          </li>
        );
      })}
    </ol>
  );
}

function spokenOf(step: Step, credentials: number, now: number): string {
  const seconds = Math.round((endOf(step, now) - (millisOf(step.openedAt) ?? now)) / 1_000);
  return `${seconds} s, ${credentials} credential${credentials === 1 ? "" : "s"}`;
}

function endOf({ closedAt }: Step, now: number): number {
  return millisOf(closedAt) ?? now;
}

function millisOf(at: { readonly seconds: bigint; readonly nanos: number } | undefined): number | undefined {
  return at === undefined ? undefined : Number(at.seconds) * 1_000 + at.nanos / 1_000_000;
}

/** The steps below one, each with those that were delegated from it. A parent in another run leaves its children at the top. */
function Branch({ steps, parent }: { readonly steps: readonly Step[]; readonly parent: string }) {
  const ids = new Set(steps.map(({ stepId }) => stepId));
  const own = steps.filter(({ parentStepId }) => (ids.has(parentStepId) ? parentStepId : "") === parent);
  if (own.length === 0) return null;
  return (
    <ul class="tree">
      {own.map((step) => (
        <li key={step.stepId}>
          <Link to={placeOf(["steps", step.stepId])}>
            <Text text={step.name?.step ?? ""} /> {step.name?.attempt}
          </Link>{" "}
          of <Text text={step.agent} /> <StateMark state={step.state} />
          <Branch steps={steps} parent={step.stepId} />
        </li>
      ))}
    </ul>
  );
}
