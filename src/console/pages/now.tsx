import { useState } from "preact/hooks";
import { authorityView } from "../../cli/output/authority-view.ts";
import { instantCell } from "../../cli/output/fields.ts";
import { grantText } from "../../cli/output/pending-view.ts";
import { riskView } from "../../cli/output/risk-view.ts";
import { replicaView, standbyView } from "../../cli/output/status-view.ts";
import { stepView } from "../../cli/output/step-view.ts";
import { verifierView } from "../../cli/output/verifier-view.ts";
import { type CallApproval, CallApprovalState } from "../../gen/stint/v1/approvals_pb.js";
import { type Authority, AuthorityState } from "../../gen/stint/v1/authorities_pb.js";
import { HistoryField, HistoryList } from "../../gen/stint/v1/history_pb.js";
import { type ToolRecord, ToolState } from "../../gen/stint/v1/tools_pb.js";
import { type Step, StepState } from "../../gen/stint/v1/types_pb.js";
import { approvals, history, risk, tools } from "../api/clients.ts";
import { brokerNow } from "../live/broker-time.ts";
import { useLive, useLoaded } from "../live/use-live.ts";
import { Link } from "../parts/link.tsx";
import { Nothing, Shown } from "../parts/states.tsx";
import { Table } from "../parts/table.tsx";
import { Text } from "../parts/text.tsx";
import { placeOf } from "../route.ts";
import { AcceptTool, AnswerCall, AnswerStep } from "./answers.tsx";

/** What asks for an operator changes by hand, or seldom. */
const SELDOM = { restMs: 5_000 };
const OPEN_SHOWN = 100;
/** A key that has this share of its life left, and no successor by now, is in somebody's hands. */
const EXPIRING_SHARE = 0.1;

/** How the broker is, what is open, and what needs an operator. */
export function Now() {
  return (
    <>
      <h1>Now</h1>
      <Readiness />
      <Needed />
      <Open />
      <Risks />
      <Verifiers />
    </>
  );
}

function Readiness() {
  const { status } = useLive();
  if (status === undefined) return <Nothing>Waiting for the broker…</Nothing>;
  const { ready, reasons, warnings, openSteps, sequence, epoch, disk } = status;
  return (
    <section aria-labelledby="readiness">
      <h2 id="readiness">{ready ? "Ready" : "Not ready"}</h2>
      {reasons.map((reason) => (
        <p key={reason} class="trouble">
          <Text text={reason} />
        </p>
      ))}
      {warnings.map((warning) => (
        <p key={warning} class="warning">
          <Text text={warning} />
        </p>
      ))}
      <dl class="figures">
        <Figure name="open steps" value={openSteps === undefined ? "unknown" : String(openSteps)} />
        <Figure name="verifiers connected" value={String(status.verifiersConnected)} />
        <Figure name="newest event" value={String(sequence)} />
        <Figure name="free disk" value={disk === undefined ? "unknown" : `${disk.freeBytes >> 20n} MiB`} />
        <Figure name="epoch" value={epoch} />
      </dl>
      {status.replicas.length > 0 && (
        <Table
          caption="Brokers that share the ledger"
          view={replicaView}
          rows={status.replicas}
          keyOf={({ name }) => name}
        />
      )}
      {status.standbys.length > 0 && (
        <Table caption="Warm standbys" view={standbyView} rows={status.standbys} keyOf={({ name }) => name} />
      )}
    </section>
  );
}

function Figure({ name, value }: { readonly name: string; readonly value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        <Text text={value} />
      </dd>
    </div>
  );
}

type Asked =
  | { readonly kind: "step"; readonly step: Step }
  | { readonly kind: "call"; readonly call: CallApproval }
  | { readonly kind: "tool"; readonly tool: ToolRecord };

function Needed() {
  const { status } = useLive();
  const [asked, setAsked] = useState<Asked>();
  const loaded = useLoaded(
    async (signal) => {
      const [pending, calls, changed] = await Promise.all([
        history.listSteps({ states: [StepState.PENDING_APPROVAL], filter: { pageSize: 100 } }, { signal }),
        approvals.listCalls({ states: [CallApprovalState.WAITING], filter: { pageSize: 100 } }, { signal }),
        tools.list({ states: [ToolState.CHANGED, ToolState.WAITING], pageSize: 100 }, { signal }),
      ]);
      return { pending: pending.steps, calls: calls.calls, changed: changed.tools };
    },
    [],
    SELDOM,
  );
  const soon = (status?.authorities ?? []).filter(isExpiring);
  const done = () => {
    setAsked(undefined);
    loaded.reload();
  };
  return (
    <section aria-labelledby="needed">
      <h2 id="needed">Needs an operator</h2>
      <Shown loaded={loaded}>
        {({ pending, calls, changed }) => (
          <>
            {pending.length + calls.length + changed.length + soon.length === 0 && (
              <Nothing>Nothing waits for anybody.</Nothing>
            )}
            <ul class="needs">
              {pending.map((step) => (
                <li key={step.stepId}>
                  <p>
                    Step{" "}
                    <Link to={placeOf(["steps", step.stepId])}>
                      <Text text={`${step.name?.runId ?? ""}/${step.name?.step ?? ""}`} />
                    </Link>{" "}
                    of <Text text={step.agent} /> waits for <Text text={step.approval?.role ?? ""} /> until{" "}
                    {instantCell(step.approval?.until)}: <Text text={grantText(step)} />
                  </p>
                  <button type="button" onClick={() => setAsked({ kind: "step", step })}>
                    Answer
                  </button>
                </li>
              ))}
              {calls.map((call) => (
                <li key={call.approvalId}>
                  <p>
                    A call of <Text text={call.call?.tool ?? ""} /> by <Text text={call.agent} /> in step{" "}
                    <Link to={placeOf(["steps", call.stepId])}>
                      <Text text={`${call.stepName?.runId ?? ""}/${call.stepName?.step ?? ""}`} />
                    </Link>{" "}
                    waits for <Text text={call.role} /> until {instantCell(call.until)}
                  </p>
                  <button type="button" onClick={() => setAsked({ kind: "call", call })}>
                    Answer
                  </button>
                </li>
              ))}
              {changed.map((tool) => (
                <li key={`${tool.location} ${tool.tool}`}>
                  <p>
                    Tool <Text text={tool.tool} /> at <Text text={tool.location} />{" "}
                    {tool.state === ToolState.CHANGED
                      ? "has another definition than the pinned one"
                      : "has no pinned definition"}
                    , since {instantCell(tool.newestAt)}
                  </p>
                  <button type="button" onClick={() => setAsked({ kind: "tool", tool })}>
                    Compare
                  </button>
                </li>
              ))}
            </ul>
            {soon.length > 0 && (
              <Table
                caption="Keys near the end of their lives"
                view={authorityView}
                rows={soon}
                keyOf={({ authorityId, kind }) => `${kind} ${authorityId}`}
              />
            )}
          </>
        )}
      </Shown>
      {asked?.kind === "step" && <AnswerStep step={asked.step} onDone={done} onClose={() => setAsked(undefined)} />}
      {asked?.kind === "call" && <AnswerCall call={asked.call} onDone={done} onClose={() => setAsked(undefined)} />}
      {asked?.kind === "tool" && <AcceptTool tool={asked.tool} onDone={done} onClose={() => setAsked(undefined)} />}
    </section>
  );
}

function isExpiring({ notBefore, expiresAt, state }: Authority): boolean {
  if (state !== AuthorityState.ACTIVE || notBefore === undefined || expiresAt === undefined) return false;
  const [begins, ends] = [Number(notBefore.seconds), Number(expiresAt.seconds)];
  return ends - brokerNow() / 1_000 < EXPIRING_SHARE * (ends - begins);
}

function Open() {
  const { status } = useLive();
  const steps = useLoaded(
    async (signal) =>
      (await history.listSteps({ states: [StepState.OPEN], filter: { pageSize: OPEN_SHOWN } }, { signal })).steps,
    [],
  );
  const agents = useLoaded(
    async (signal) => {
      const filter = { terms: [{ field: HistoryField.OUTCOME, values: ["open"] }] };
      return history.countRows({ list: HistoryList.STEPS, filter, groupBy: HistoryField.AGENT, top: 50 }, { signal });
    },
    [],
    SELDOM,
  );
  return (
    <section aria-labelledby="open">
      <h2 id="open">Open steps</h2>
      <Shown loaded={agents}>
        {({ groups }) => (
          <ul class="chips" aria-label="Open steps by agent">
            {groups.map(({ value = "", count }) => (
              <li key={value}>
                <Link
                  to={placeOf(
                    ["search", "steps"],
                    [
                      ["agent", value],
                      ["outcome", "open"],
                    ],
                  )}
                >
                  <Text text={value} /> <strong>{String(count)}</strong>
                </Link>
              </li>
            ))}
          </ul>
        )}
      </Shown>
      <Shown loaded={steps}>
        {(rows) =>
          rows.length === 0 ? (
            <Nothing>No step is open.</Nothing>
          ) : (
            <>
              <Table
                caption="Open steps, newest first"
                view={stepView}
                rows={rows}
                keyOf={({ stepId }) => stepId}
                to={({ stepId }) => placeOf(["steps", stepId])}
                without={["STATE", "CLOSED"]}
              />
              {(status?.openSteps ?? 0) > rows.length && (
                <p>
                  <Link to={placeOf(["search", "steps"], [["outcome", "open"]])}>
                    All {status?.openSteps} open steps
                  </Link>
                </p>
              )}
            </>
          )
        }
      </Shown>
    </section>
  );
}

function Risks() {
  const loaded = useLoaded(async (signal) => (await risk.list({}, { signal })).risks, [], SELDOM);
  return (
    <section aria-labelledby="risk">
      <h2 id="risk">Risk</h2>
      <Shown loaded={loaded}>
        {(rows) =>
          rows.length === 0 ? (
            <Nothing>No risk is raised.</Nothing>
          ) : (
            <Table
              caption="Risk in force"
              view={riskView}
              rows={rows}
              keyOf={(row) => riskView.columns.map(({ text }) => text(row)).join(" ")}
            />
          )
        }
      </Shown>
    </section>
  );
}

function Verifiers() {
  const { status } = useLive();
  if (status === undefined) return null;
  return (
    <section aria-labelledby="verifiers">
      <h2 id="verifiers">Verifiers</h2>
      {status.verifiers.length === 0 ? (
        <Nothing>No verifier is registered.</Nothing>
      ) : (
        <Table
          caption="Verifiers, those farthest behind first"
          view={verifierView}
          rows={status.verifiers}
          keyOf={({ name }) => name}
        />
      )}
    </section>
  );
}
