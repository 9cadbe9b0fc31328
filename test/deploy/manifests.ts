import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseAllDocuments } from "yaml";

// biome-ignore lint/suspicious/noExplicitAny: what a manifest is, kubeconform says.
export type Manifest = Record<string, any>;

/** As they are applied. */
export const MANIFESTS = readFileSync(resolve(import.meta.dirname, "../../deploy/kubernetes/stint.yaml"), "utf8");

export const manifests: readonly Manifest[] = parseAllDocuments(MANIFESTS).map((one) => one.toJS() as Manifest);

/** The one of a kind. */
export function manifest(kind: string): Manifest {
  const found = manifests.find((one) => one["kind"] === kind);
  if (found === undefined) throw new Error(`no ${kind} among the manifests`);
  return found;
}
