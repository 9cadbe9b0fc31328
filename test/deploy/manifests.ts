import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseAllDocuments } from "yaml";

// biome-ignore lint/suspicious/noExplicitAny: what a manifest is, kubeconform says.
export type Manifest = Record<string, any>;

/** A file of manifests, as it is applied. */
export type Manifests = {
  readonly text: string;
  readonly all: readonly Manifest[];
  /** The one of a kind. */
  of(kind: string): Manifest;
};

function manifestsIn(file: string): Manifests {
  const text = readFileSync(resolve(import.meta.dirname, "../../deploy/kubernetes", file), "utf8");
  const all = parseAllDocuments(text).map((one) => one.toJS() as Manifest);
  return {
    text,
    all,
    of(kind) {
      const found = all.find((one) => one["kind"] === kind);
      if (found === undefined) throw new Error(`no ${kind} in ${file}`);
      return found;
    },
  };
}

export const BROKER = manifestsIn("stint.yaml");
export const NODE = manifestsIn("node.yaml");
