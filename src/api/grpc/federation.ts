import { checkMayLook, operatorWith } from "../../decide/step-access.ts";
import type { SpiffeBundleDocument } from "../../domain/bundle.ts";
import { formatBundleMap } from "../../domain/bundle-map.ts";
import type { TrustDomain } from "../../domain/spiffe-id.ts";
import type { Federation as FederationKeeper } from "../../federation/federation.ts";
import type { Federation } from "../../gen/stint/v1/federation_pb.js";
import { bootstrapOf, federationInputOf, federationMessageOf } from "../../wire/federation-message.ts";
import type { HandlersOf } from "../../wire/service-definition.ts";
import { type Endpoint, unary } from "./call.ts";
import { operatorActor } from "./revocations.ts";

export type FederationPorts = {
  readonly federation: Omit<FederationKeeper, "of" | "onChange" | "stop">;
  readonly trustDomain: TrustDomain;
  /** The broker's own bundle as it is now. */
  readonly ownBundle: () => SpiffeBundleDocument;
};

export function federationHandlers(
  endpoint: Endpoint,
  { federation, trustDomain: own, ownBundle }: FederationPorts,
): HandlersOf<typeof Federation> {
  return {
    create: unary(endpoint, "Federation.Create", async (request, caller, ids) => {
      const by = operatorActor(caller, ["admin"]);
      ids["trustDomain"] = request.trustDomain;
      const created = await federation.create(federationInputOf(request), bootstrapOf(request), by);
      return { relationship: federationMessageOf(created) };
    }),
    get: unary(endpoint, "Federation.Get", async ({ trustDomain }, caller, ids) => {
      checkMayLook(caller);
      ids["trustDomain"] = trustDomain;
      return { relationship: federationMessageOf(federation.find(trustDomain)) };
    }),
    list: unary(endpoint, "Federation.List", async (_request, caller) => {
      checkMayLook(caller);
      return { relationships: federation.list().map(federationMessageOf) };
    }),
    refresh: unary(endpoint, "Federation.Refresh", async ({ trustDomain }, caller, ids) => {
      operatorWith(caller, ["admin"]);
      ids["trustDomain"] = trustDomain;
      return { relationship: federationMessageOf(await federation.refresh(trustDomain)) };
    }),
    delete: unary(endpoint, "Federation.Delete", async ({ trustDomain }, caller, ids) => {
      const by = operatorActor(caller, ["admin"]);
      ids["trustDomain"] = trustDomain;
      await federation.remove(trustDomain, by);
      return {};
    }),
    getBundles: unary(endpoint, "Federation.GetBundles", async (_request, caller) => {
      checkMayLook(caller);
      const foreign = federation.list().flatMap(({ bundle }) => (bundle === undefined ? [] : [bundle]));
      const map = formatBundleMap({ trustDomain: own, document: ownBundle() }, foreign);
      return { bundleMap: Buffer.from(map) };
    }),
  };
}
