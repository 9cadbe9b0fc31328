import { type Selector, selectorIfNameable } from "../../domain/selector.ts";
import { isObject, type JsonObject } from "../../domain/strict-json.ts";
import { TokenRefusal } from "./token-refusal.ts";

/** The issuer of the tokens that Kubernetes kept in Secrets; no URL, so that none of them can be trusted. */
const LEGACY_ISSUER = "kubernetes/serviceaccount";
/** The claim that says what a service account's token is bound to. */
const BOUND_TO = "kubernetes.io";

/** Whether claims are of a service account's token as it was before there were projected ones: without an end, for everybody. */
export function isLegacyServiceAccountToken(claims: JsonObject): boolean {
  return claims["iss"] === LEGACY_ISSUER;
}

/**
 * What a verified token that Kubernetes projected into a pod says of the pod. A token without a pod, which
 * `kubectl create token` makes, could be anywhere.
 *
 * @param cluster - its name in the configuration: namespaces and service accounts of two clusters may be called the same.
 * @returns `k8s:cluster`, `k8s:ns`, `k8s:sa`, `k8s:sa-uid`, `k8s:pod-name`, `k8s:pod-uid`, and `k8s:node-name` where the
 *   cluster tells the node (since Kubernetes 1.30).
 * @throws TokenRefusal with the member that is missing, or not as Kubernetes makes it
 * @see https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-service-account-tokens
 */
export function kubernetesSelectorsOf(claims: JsonObject, cluster: string): ReadonlySet<Selector> {
  const bound = memberOf(claims, BOUND_TO, "");
  const account = memberOf(bound, "serviceaccount", BOUND_TO);
  const pod = memberOf(bound, "pod", BOUND_TO);
  const { namespace } = bound;
  const { name } = account;
  const expected = `system:serviceaccount:${String(namespace)}:${String(name)}`;
  if (claims["sub"] !== expected) throw new TokenRefusal("other", "sub: not the service account of kubernetes.io");
  return new Set([
    said("k8s:cluster", cluster, "cluster"),
    said("k8s:ns", namespace, "namespace"),
    said("k8s:sa", name, "serviceaccount.name"),
    said("k8s:sa-uid", account["uid"], "serviceaccount.uid"),
    said("k8s:pod-name", pod["name"], "pod.name"),
    said("k8s:pod-uid", pod["uid"], "pod.uid"),
    ...nodeOf(bound),
  ]);
}

function nodeOf({ node }: JsonObject): readonly Selector[] {
  if (node === undefined) return [];
  return [said("k8s:node-name", isObject(node) ? node["name"] : undefined, "node.name")];
}

function memberOf(object: JsonObject, name: string, within: string): JsonObject {
  const member = object[name];
  if (isObject(member)) return member;
  const path = within === "" ? name : `${within}.${name}`;
  throw new TokenRefusal("other", `${path}: missing, so that this is no token that Kubernetes projected into a pod`);
}

function said(kind: string, value: unknown, member: string): Selector {
  const found = typeof value === "string" ? selectorIfNameable(kind, value) : undefined;
  if (found === undefined) throw new TokenRefusal("other", `${BOUND_TO}.${member}: not as Kubernetes makes it`);
  return found;
}
