import { decisionView } from "../../cli/output/decision-view.ts";
import { formatExplanation } from "../../cli/output/explanation-page.ts";
import { explanationView } from "../../cli/output/explanation-view.ts";
import { history } from "../api/clients.ts";
import { useLoaded } from "../live/use-live.ts";
import { Fields } from "../parts/fields.tsx";
import { Lines } from "../parts/lines.tsx";
import { Link } from "../parts/link.tsx";
import { Shown } from "../parts/states.tsx";
import { placeOf } from "../route.ts";

/** Why a decision came out as it did, and what would have passed: the page of `stint explain`. */
export function WhyPage({ decisionId }: { readonly decisionId: string }) {
  const loaded = useLoaded((signal) => history.explain({ decisionId }, { signal }), [decisionId], { once: true });
  return (
    <>
      <h1>Why</h1>
      <Shown loaded={loaded}>
        {(explained) => (
          <>
            <Lines name="Explanation" text={formatExplanation(explained)} />
            <section aria-labelledby="recorded">
              <h2 id="recorded">As it was recorded</h2>
              {explained.decision !== undefined && <Fields view={decisionView} row={explained.decision} />}
              <p class="buttons">
                <Link to={placeOf(["reach"], [["decision", decisionId]])}>Blast radius</Link>
                <Link to={placeOf(["proof"], [["decision", decisionId]])}>Prove that it is in the ledger</Link>
              </p>
            </section>
            <section aria-labelledby="asked">
              <h2 id="asked">As the policies were asked, and what would have passed</h2>
              <Fields view={explanationView} row={explained} without={["decision", "policies"]} />
            </section>
          </>
        )}
      </Shown>
    </>
  );
}
