import { type Denial, denialFrom } from "../domain/errors.ts";
import type { Attested, Delivery, Entitled } from "../domain/stages.ts";
import { entitle, type SvidOrder, type SvidWanted } from "./entitle.ts";
import { entitleInfrastructure, type InfrastructureWanted } from "./entitle-infrastructure.ts";
import { issueEntitled } from "./issue-entitled.ts";
import type { IssuePorts } from "./issue-svids.ts";

/** One credential of any of the caller's identities. */
export type SvidRequest =
  | ({ readonly kind: "step"; readonly stepId: string; readonly wanted: SvidWanted } & Pick<SvidOrder, "as">)
  | { readonly kind: "infrastructure"; readonly wanted: InfrastructureWanted };

/**
 * The issuance path for several identities of one caller, recorded in one append.
 *
 * @returns one answer for each request, in their order; the refusal of one request does not affect the others.
 */
export async function issueTogether(
  caller: Attested,
  requests: readonly SvidRequest[],
  ports: IssuePorts,
): Promise<readonly (Delivery | Denial)[]> {
  const entitled = await Promise.all(requests.map((request) => entitleOne(caller, request, ports)));
  return issueEntitled(entitled.flat(), ports);
}

async function entitleOne(
  caller: Attested,
  request: SvidRequest,
  ports: IssuePorts,
): Promise<readonly (Entitled | Denial)[]> {
  try {
    return request.kind === "infrastructure"
      ? [entitleInfrastructure(caller, request.wanted, ports)]
      : await entitle(caller, { ...request, wanted: [request.wanted] }, ports);
  } catch (thrown) {
    return [denialFrom(thrown)];
  }
}
