import type { z } from "zod";
import { type Finding, formatKey } from "./finding.ts";
import type { YamlSource } from "./yaml-source.ts";

/**
 * What a schema has found in a file, each with its place.
 *
 * @param findingOf - for what is wrong with a value.
 */
export function schemaFindings(
  { issues }: z.ZodError,
  source: Pick<YamlSource, "placeOfKey">,
  findingOf: (path: readonly PropertyKey[], message: string) => Finding,
): readonly Finding[] {
  return issues.flatMap((issue): readonly Finding[] =>
    issue.code === "unrecognized_keys"
      ? issue.keys.map((key) => {
          const at = [...issue.path, key];
          return { place: source.placeOfKey(at), key: formatKey(at), message: issue.message };
        })
      : [findingOf(issue.path, issue.message)],
  );
}
