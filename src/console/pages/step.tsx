import { closureFields } from "../../cli/output/closure-fields.ts";
import { decisionView } from "../../cli/output/decision-view.ts";
import { exchangeView } from "../../cli/output/exchange-view.ts";
import { grantUseView } from "../../cli/output/grant-use-view.ts";
import { issuanceView } from "../../cli/output/issuance-view.ts";
import { receiptFields } from "../../cli/output/receipts-fields.ts";
import { stepView } from "../../cli/output/step-view.ts";
import { StepState } from "../../gen/stint/v1/types_pb.js";
import { history, steps } from "../api/clients.ts";
import { useLoaded } from "../live/use-live.ts";
import { Fields } from "../parts/fields.tsx";
import { Link } from "../parts/link.tsx";
import { StateMark } from "../parts/state-mark.tsx";
import { Nothing, Shown } from "../parts/states.tsx";
import { Table } from "../parts/table.tsx";
import { Text } from "../parts/text.tsx";
import { Value } from "../parts/value.tsx";
import { placeOf } from "../route.ts";

const ROWS = 200;

/** A step: its grant, what was made of it, and how it ended at whom. */
export function StepPage({ stepId }: { readonly stepId: string }) {
  const loaded = useLoaded(
    async (signal) => {
      const filter = { stepId, pageSize: ROWS };
      const [got, uses, issued, decided, exchanged] = await Promise.all([
        steps.get({ by: { case: "stepId", value: stepId } }, { signal }),
        history.listGrantUse({ filter }, { signal }),
        history.listIssuances({ filter }, { signal }),
        history.listDecisions({ filter }, { signal }),
        history.listExchanges({ filter }, { signal }),
      ]);
      return {
        ...got,
        uses: uses.uses,
        issuances: issued.issuances,
        decisions: decided.decisions,
        given: exchanged.exchanges,
      };
    },
    [stepId],
  );
  return (
    <>
      <h1>Step</h1>
      <Shown loaded={loaded}>
        {({ step, receipts, closure, uses, issuances, decisions, given }) =>
          step === undefined ? (
            <Nothing>No such step.</Nothing>
          ) : (
            <>
              <p class="headline">
                <StateMark state={step.state} />{" "}
                <Link to={placeOf(["runs", step.name?.runId ?? ""])}>
                  <Text text={step.name?.runId ?? ""} />
                </Link>{" "}
                /{" "}
                <strong>
                  <Text text={step.name?.step ?? ""} />
                </strong>
                , attempt {step.name?.attempt}, of <Text text={step.agent} />
              </p>
              <p class="buttons">
                <Link to={placeOf(["reach"], [["step", step.stepId]])}>
                  {step.state === StepState.OPEN ? "Blast radius and revoke" : "Blast radius"}
                </Link>
                {step.closedSequence > 0n && (
                  <Link to={placeOf(["proof"], [["step", step.stepId]])}>Closure receipt</Link>
                )}
              </p>
              <section aria-labelledby="use">
                <h2 id="use">Grant, and what was used of it</h2>
                {uses.length === 0 ? (
                  <Nothing>Nothing was granted, and no call reported.</Nothing>
                ) : (
                  <Table
                    caption="Grant and use"
                    view={grantUseView}
                    rows={uses}
                    keyOf={({ tool }) => tool}
                    without={["AGENT", "STEP"]}
                  />
                )}
              </section>
              <section aria-labelledby="credentials">
                <h2 id="credentials">Credentials</h2>
                {issuances.length === 0 ? (
                  <Nothing>No credential was issued.</Nothing>
                ) : (
                  <Table
                    caption="Credentials of this step"
                    view={issuanceView}
                    rows={issuances}
                    keyOf={({ issuanceId }) => issuanceId}
                    to={({ issuanceId }) => placeOf(["issuances", issuanceId])}
                    without={["RUN", "STEP", "ATTEMPT", "AGENT"]}
                  />
                )}
              </section>
              <section aria-labelledby="end">
                <h2 id="end">Its end, and who applied it</h2>
                {closure === undefined ? (
                  <Nothing>The step has not ended.</Nothing>
                ) : (
                  <>
                    <Value name="closure" value={closureFields(closure)} />
                    {receipts !== undefined && (
                      <>
                        <h3>Receipts</h3>
                        <Value name="receipts" value={receiptFields(receipts)} />
                      </>
                    )}
                  </>
                )}
              </section>
              {given.length > 0 && (
                <section aria-labelledby="exchanges">
                  <h2 id="exchanges">Secrets of other systems</h2>
                  <Table
                    caption="Exchanges of this step"
                    view={exchangeView}
                    rows={given}
                    keyOf={({ exchangeId }) => exchangeId}
                  />
                </section>
              )}
              <section aria-labelledby="decisions">
                <h2 id="decisions">Decisions</h2>
                {decisions.length === 0 ? (
                  <Nothing>No decision names this step.</Nothing>
                ) : (
                  <Table
                    caption="Decisions about this step"
                    view={decisionView}
                    rows={decisions}
                    keyOf={({ decisionId }) => decisionId}
                    to={({ decisionId }) => placeOf(["why", decisionId])}
                    without={["RUN", "STEP", "ATTEMPT", "AGENT"]}
                  />
                )}
              </section>
              <section aria-labelledby="all">
                <h2 id="all">All of it</h2>
                <Fields view={stepView} row={step} />
              </section>
            </>
          )
        }
      </Shown>
    </>
  );
}
