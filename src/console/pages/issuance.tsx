import { issuanceView } from "../../cli/output/issuance-view.ts";
import { HistoryField } from "../../gen/stint/v1/history_pb.js";
import { history } from "../api/clients.ts";
import { useLoaded } from "../live/use-live.ts";
import { Fields } from "../parts/fields.tsx";
import { Link } from "../parts/link.tsx";
import { Nothing, Shown } from "../parts/states.tsx";
import { placeOf } from "../route.ts";

/** One credential, as it was recorded. */
export function IssuancePage({ issuanceId }: { readonly issuanceId: string }) {
  const loaded = useLoaded(
    async (signal) => {
      const filter = { terms: [{ field: HistoryField.ISSUANCE, values: [issuanceId] }] };
      return (await history.listIssuances({ filter }, { signal })).issuances;
    },
    [issuanceId],
  );
  return (
    <>
      <h1>Credential</h1>
      <Shown loaded={loaded}>
        {([issuance]) =>
          issuance === undefined ? (
            <Nothing>No such credential.</Nothing>
          ) : (
            <>
              <p class="buttons">
                <Link to={placeOf(["proof"], [["issuance", issuanceId]])}>Prove that it is in the ledger</Link>
              </p>
              <Fields view={issuanceView} row={issuance} />
            </>
          )
        }
      </Shown>
    </>
  );
}
