import { erase, offboard, type PrincipalActPorts, previewOffboarding, readmit } from "../../close/principals.ts";
import { checkMayLook } from "../../decide/step-access.ts";
import { invalidField } from "../../domain/errors.ts";
import type { Principals, PrincipalsReadmitRequest } from "../../gen/stint/v1/principals_pb.js";
import type { HistoryReads, PrincipalRow } from "../../ports/ledger-reads.ts";
import type { PrincipalVault } from "../../ports/principal-vault.ts";
import { principalNameOf, principalRecordMessageOf } from "../../wire/principal-message.ts";
import type { HandlersOf } from "../../wire/service-definition.ts";
import { type Endpoint, type Ids, unary } from "./call.ts";
import { nextPageToken, pageOf } from "./paging.ts";
import { operatorActor } from "./revocations.ts";
import { nameToShow } from "./shown-step.ts";

export type PrincipalsPorts = PrincipalActPorts & {
  readonly principals: PrincipalVault;
  readonly history: Pick<HistoryReads, "preview" | "principals">;
};

/** As the vault makes them. */
const PRINCIPAL_ID = /^[0-9a-f]{64}$/;

export function principalsHandlers(endpoint: Endpoint, ports: PrincipalsPorts): HandlersOf<typeof Principals> {
  return {
    list: unary(endpoint, "Principals.List", async (request, caller) => {
      checkMayLook(caller);
      const page = pageOf(request.pageSize, request.pageToken);
      const rows = await ports.history.principals(page);
      return {
        principals: await Promise.all(rows.map((row) => recordMessageOf(row, ports))),
        nextPageToken: nextPageToken(rows, page.limit, (row) => row.sequence),
      };
    }),
    offboard: unary(endpoint, "Principals.Offboard", async ({ by: meant, barAhead, dryRun }, caller, ids) => {
      const by = operatorActor(caller, ["admin"]);
      const principalId = idOf(meant, ids, ports);
      const ended = dryRun
        ? await previewOffboarding(principalId, { barAhead }, ports)
        : await offboard(principalId, { barAhead, by }, ports);
      return { ...messageOf(ended), principalId };
    }),
    readmit: unary(endpoint, "Principals.Readmit", async ({ by: meant }, caller, ids) => {
      const by = operatorActor(caller, ["admin"]);
      const principalId = idOf(meant, ids, ports);
      const { sequence } = await readmit(principalId, by, ports);
      return { sequence: BigInt(sequence), principalId };
    }),
    erase: unary(endpoint, "Principals.Erase", async ({ by: meant }, caller, ids) => {
      const by = operatorActor(caller, ["admin"]);
      const principalId = idOf(meant, ids, ports);
      return { ...messageOf(await erase(principalId, by, ports)), principalId };
    }),
  };
}

/** The log gets the digest, whichever way the principal was named. */
function idOf(by: PrincipalsReadmitRequest["by"], ids: Ids, { principals }: PrincipalsPorts): string {
  const principalId =
    by.case === "name"
      ? principals.idOf(principalNameOf(by.value, "name"))
      : principalIdOf({ principalId: by.value ?? "" }, "by");
  ids["principalId"] = principalId;
  return principalId;
}

/** @throws BrokerError INVALID_FIELD */
export function principalIdOf({ principalId }: { readonly principalId: string }, field: string): string {
  if (!PRINCIPAL_ID.test(principalId)) throw invalidField(field, "a name, or a principal_id: 64 hexadecimal digits");
  return principalId;
}

function messageOf({ sequence, stepsClosed, credentialsRevoked }: Awaited<ReturnType<typeof erase>>) {
  return { sequence: BigInt(sequence), stepsClosed, credentialsRevoked };
}

async function recordMessageOf(row: PrincipalRow, ports: PrincipalsPorts) {
  const { principalId, sealed } = row;
  const known = sealed === undefined ? undefined : await nameToShow({ principalId, sealed }, ports);
  return principalRecordMessageOf(row, known);
}
