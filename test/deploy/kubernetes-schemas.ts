import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A release of Kubernetes as a Go module, of which nothing is compiled, and its digest as Go's checksum database has it. */
const RELEASE = "k8s.io/kubernetes@v1.34.2";
const SUM = "h1:WQdDvYJazkmkwSncgNwGvVtaCt4TYXIU3wSMRgvp3MI=";
/** The groups of which there are manifests. */
const DOCUMENTS = ["api__v1", "apis__apps__v1", "apis__networking.k8s.io__v1"];

type Schema = {
  readonly properties?: object;
  readonly additionalProperties?: unknown;
  readonly "x-kubernetes-group-version-kind"?: readonly { group: string; version: string; kind: string }[];
};

/**
 * Writes the schema of each kind into a folder, as kubeconform looks for them. What a schema does not name it does not allow: an API
 * server would leave out what it does not know, and so a misspelled setting.
 */
export function writeSchemas(folder: string): void {
  const { Dir, Sum } = JSON.parse(execFileSync("go", ["mod", "download", "-json", RELEASE], { encoding: "utf8" }));
  if (Sum !== SUM) throw new Error(`${RELEASE} is not what is pinned`);
  for (const document of DOCUMENTS) {
    const file = join(Dir, "api/openapi-spec/v3", `${document}_openapi.json`);
    const all = JSON.parse(readFileSync(file, "utf8")).components.schemas as Readonly<Record<string, Schema>>;
    const strict = Object.fromEntries(Object.entries(all).map(([name, schema]) => [name, strictly(schema)]));
    for (const [name, { "x-kubernetes-group-version-kind": kinds = [] }] of Object.entries(all)) {
      const [of, ...others] = kinds;
      if (of === undefined || others.length > 0) continue;
      const [group = ""] = of.group.split(".");
      const kind = [of.kind, group, of.version].filter((part) => part !== "").join("-");
      const schema = { $ref: `#/components/schemas/${name}`, components: { schemas: strict } };
      writeFileSync(join(folder, `${kind.toLowerCase()}.json`), JSON.stringify(schema));
    }
  }
}

function strictly(schema: Schema): Schema {
  const isOpen = schema.properties === undefined || schema.additionalProperties !== undefined;
  return isOpen ? schema : { ...schema, additionalProperties: false };
}
