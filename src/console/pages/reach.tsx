import { useState } from "preact/hooks";
import { descendantsSummaryView, reachView } from "../../cli/output/descendants-view.ts";
import { exchangeView } from "../../cli/output/exchange-view.ts";
import { issuanceView } from "../../cli/output/issuance-view.ts";
import { stepView } from "../../cli/output/step-view.ts";
import { REVOCATION_REASONS } from "../../domain/revocation.ts";
import type { DescendantsSummary, Reach } from "../../gen/stint/v1/history_pb.js";
import type { RevokeResponse } from "../../gen/stint/v1/revocations_pb.js";
import type { Exchange, Issuance, Step } from "../../gen/stint/v1/types_pb.js";
import { history, revocations } from "../api/clients.ts";
import { type Problem, problemOf } from "../api/problem.ts";
import { useLoaded } from "../live/use-live.ts";
import { Fields } from "../parts/fields.tsx";
import { Question } from "../parts/question.tsx";
import { Save } from "../parts/save.tsx";
import { Nothing, Shown, Trouble } from "../parts/states.tsx";
import { Table } from "../parts/table.tsx";
import { go, placeOf } from "../route.ts";
import { CAUSES, type Causes } from "./causes.ts";

type Told = {
  readonly steps: readonly Step[];
  readonly issuances: readonly Issuance[];
  readonly exchanges: readonly Exchange[];
  readonly reach: readonly Reach[];
  readonly summary: DescendantsSummary | undefined;
};

/** All that descends from one cause, and how to end it. */
export function ReachPage({ query }: { readonly query: URLSearchParams }) {
  const [kind, value] = [...query].find(([name]) => name in CAUSES) ?? [];
  const causes = kind === undefined || value === undefined ? undefined : CAUSES[kind]?.of(value);
  return (
    <>
      <h1>Blast radius</h1>
      <Cause kind={kind ?? "step"} value={value ?? ""} key={`${kind} ${value}`} />
      {causes !== undefined && <Descendants causes={causes} named={`${kind} ${value}`} key={`of ${kind} ${value}`} />}
    </>
  );
}

function Cause({ kind, value }: { readonly kind: string; readonly value: string }) {
  const [of, setOf] = useState(kind);
  const [named, setNamed] = useState(value);
  return (
    <form
      class="terms"
      onSubmit={(event) => {
        event.preventDefault();
        if (named !== "") go(placeOf(["reach"], [[of, named]]));
      }}
    >
      <label>
        Cause
        <select value={of} onChange={(event) => setOf(event.currentTarget.value)}>
          {Object.entries(CAUSES).map(([name, { says }]) => (
            <option key={name} value={name}>
              {says}
            </option>
          ))}
        </select>
      </label>
      <label>
        Name or id
        <input type="text" value={named} maxLength={512} onInput={(event) => setNamed(event.currentTarget.value)} />
      </label>
      <button type="submit">Tell what descends from it</button>
    </form>
  );
}

function Descendants({ causes, named }: { readonly causes: Causes; readonly named: string }) {
  const loaded = useLoaded((signal) => told(causes, signal), [causes.cause.case, String(causes.cause.value)], {
    restMs: 2_000,
  });
  return (
    <Shown loaded={loaded}>
      {({ steps, issuances, exchanges, reach, summary }) => (
        <>
          {summary !== undefined && <Fields view={descendantsSummaryView} row={summary} />}
          <Revoke causes={causes} named={named} onDone={loaded.reload} />
          <section aria-labelledby="could">
            <h2 id="could">What it could reach, and did</h2>
            {reach.length === 0 ? (
              <Nothing>No tool at any place.</Nothing>
            ) : (
              <Table
                caption="Tools within reach"
                view={reachView}
                rows={reach}
                keyOf={({ tool, location }) => `${tool} ${location}`}
              />
            )}
          </section>
          <section aria-labelledby="steps">
            <h2 id="steps">Steps</h2>
            <Save name="steps" view={stepView} rows={steps} />
            {steps.length === 0 ? (
              <Nothing>No step.</Nothing>
            ) : (
              <Table
                caption="Steps that descend from it"
                view={stepView}
                rows={steps}
                keyOf={({ stepId }) => stepId}
                to={({ stepId }) => placeOf(["steps", stepId])}
              />
            )}
          </section>
          <section aria-labelledby="credentials">
            <h2 id="credentials">Credentials</h2>
            {issuances.length === 0 ? (
              <Nothing>No credential.</Nothing>
            ) : (
              <Table
                caption="Credentials that descend from it"
                view={issuanceView}
                rows={issuances}
                keyOf={({ issuanceId }) => issuanceId}
                to={({ issuanceId }) => placeOf(["issuances", issuanceId])}
              />
            )}
          </section>
          {exchanges.length > 0 && (
            <Table
              caption="Secrets of other systems"
              view={exchangeView}
              rows={exchanges}
              keyOf={({ exchangeId }) => exchangeId}
            />
          )}
        </>
      )}
    </Shown>
  );
}

async function told({ cause }: Causes, signal: AbortSignal): Promise<Told> {
  const steps: Step[] = [];
  const issuances: Issuance[] = [];
  const exchanges: Exchange[] = [];
  const reach: Reach[] = [];
  let summary: DescendantsSummary | undefined;
  for await (const { told: one } of history.tellDescendants({ cause }, { signal })) {
    if (one.case === "step") steps.push(one.value);
    else if (one.case === "issuance") issuances.push(one.value);
    else if (one.case === "exchange") exchanges.push(one.value);
    else if (one.case === "reach") reach.push(one.value);
    else if (one.case === "summary") summary = one.value;
  }
  return { steps, issuances, exchanges, reach, summary };
}

/** First what would end, then one confirmation that names it. */
function Revoke({
  causes: { target },
  named,
  onDone,
}: {
  readonly causes: Causes;
  readonly named: string;
  readonly onDone: () => void;
}) {
  const [reason, setReason] = useState<string>("privilegeWithdrawn");
  const [dry, setDry] = useState<RevokeResponse>();
  const [done, setDone] = useState<RevokeResponse>();
  const [problem, setProblem] = useState<Problem>();
  const begin = async () => {
    setProblem(undefined);
    setDone(undefined);
    try {
      setDry(await revocations.revoke({ target, reason, dryRun: true }));
    } catch (thrown) {
      setProblem(problemOf(thrown));
    }
  };
  return (
    <section aria-labelledby="revoke">
      <h2 id="revoke">Revoke</h2>
      <p class="buttons">
        <label>
          Reason
          <select value={reason} onChange={(event) => setReason(event.currentTarget.value)}>
            {REVOCATION_REASONS.map((one) => (
              <option key={one} value={one}>
                {one}
              </option>
            ))}
          </select>
        </label>
        <button type="button" onClick={() => void begin()}>
          What would end?
        </button>
      </p>
      {problem !== undefined && <Trouble problem={problem} />}
      {done !== undefined && (
        <p role="status">
          {done.sequence === 0n ? "There was nothing to end." : `Ended with event ${done.sequence}: ${countsOf(done)}.`}
        </p>
      )}
      {dry !== undefined && (
        <Question
          title={`Revoke ${named}`}
          act={`Revoke: ${countsOf(dry)}`}
          acting={async () => setDone(await revocations.revoke({ target, reason }))}
          onDone={() => {
            setDry(undefined);
            onDone();
          }}
          onClose={() => setDry(undefined)}
        >
          <p>
            This ends {countsOf(dry)}, for the reason {reason}. It can't be undone{after(target.case)}.
          </p>
          {dry.stepsClosed.length > 0 && (
            <Table caption="Steps that end" view={stepView} rows={dry.stepsClosed} keyOf={({ stepId }) => stepId} />
          )}
          {dry.credentialsRevoked.length > 0 && (
            <Table
              caption="Credentials that are taken back"
              view={issuanceView}
              rows={dry.credentialsRevoked}
              keyOf={({ issuanceId }) => issuanceId}
            />
          )}
          {dry.exchanges.length > 0 && (
            <Table
              caption="Secrets of other systems"
              view={exchangeView}
              rows={dry.exchanges}
              keyOf={({ exchangeId }) => exchangeId}
            />
          )}
          {dry.truncated && <p class="warning">The lists end after 100; the counts are whole.</p>}
        </Question>
      )}
    </section>
  );
}

function countsOf({
  stepsClosedCount: steps,
  credentialsRevokedCount: credentials,
  exchanges,
}: RevokeResponse): string {
  const counted = [many(steps, "step"), many(credentials, "credential")];
  return [...counted, ...(exchanges.length === 0 ? [] : [many(exchanges.length, "secret")])].join(", ");
}

function many(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

/** What stays barred with it. */
function after(kind: Causes["target"]["case"]): string {
  switch (kind) {
    case "runId":
      return ", and the run stays barred";
    case "agent":
    case "entry":
      return ", and the entry stays disabled until it is enabled again";
    case "principalId":
      return ", and nothing is opened for the principal any more";
    default:
      return "";
  }
}
