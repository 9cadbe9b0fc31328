import { eventView } from "../../cli/output/event-view.ts";
import type { Step } from "../../gen/stint/v1/types_pb.js";
import { history, steps as stepCalls } from "../api/clients.ts";
import { useLoaded } from "../live/use-live.ts";
import { Link } from "../parts/link.tsx";
import { StateMark } from "../parts/state-mark.tsx";
import { Nothing, Shown } from "../parts/states.tsx";
import { Table } from "../parts/table.tsx";
import { Text } from "../parts/text.tsx";
import { placeOf } from "../route.ts";
import { endMarksOf, type Mark, marksOf } from "./run-marks.ts";
import { Timeline } from "./run-timeline.tsx";

const STEPS = 500;
const EVENTS = 500;
/** Closed steps, the newest, of which each is asked who has applied its end. */
const ENDS = 30;

/** A run as it went: a line of time for each step, what was delegated to whom, and every event. */
export function RunPage({ runId }: { readonly runId: string }) {
  const loaded = useLoaded(
    async (signal) => {
      const filter = { runId, pageSize: STEPS, oldestFirst: true };
      const [steps, { events }] = await Promise.all([
        history.listSteps({ filter }, { signal }),
        history.listEvents({ filter: { ...filter, pageSize: EVENTS } }, { signal }),
      ]);
      const closed = steps.steps.filter(({ closedAt }) => closedAt !== undefined).slice(-ENDS);
      const ends = await Promise.all(
        closed.map(async ({ stepId }) => {
          const answer = await stepCalls.get({ by: { case: "stepId", value: stepId } }, { signal });
          return [stepId, endMarksOf(answer)] as const;
        }),
      );
      return {
        steps: steps.steps,
        isMore: steps.nextPageToken !== "" && steps.steps.length === STEPS,
        events,
        marks: together(marksOf(events), ends),
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
        {({ steps, isMore, events, marks }) =>
          steps.length === 0 ? (
            <Nothing>No step of a run with this name was ever opened.</Nothing>
          ) : (
            <>
              <section aria-labelledby="timeline">
                <h2 id="timeline">Timeline</h2>
                {isMore && <p class="warning">Only the first {STEPS} steps are drawn; the history has all of them.</p>}
                {events.length === EVENTS && <p class="warning">Marks are of the first {EVENTS} events.</p>}
                <Timeline steps={steps} marks={marks} />
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

function together(
  marks: ReadonlyMap<string, readonly Mark[]>,
  ends: readonly (readonly [stepId: string, marks: readonly Mark[]])[],
): ReadonlyMap<string, readonly Mark[]> {
  return new Map([...marks, ...ends.map(([stepId, own]) => [stepId, [...(marks.get(stepId) ?? []), ...own]] as const)]);
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
