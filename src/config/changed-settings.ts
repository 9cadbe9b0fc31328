import { isDeepStrictEqual } from "node:util";
import { fileSchema } from "./schema.ts";
import { settingsOf } from "./settings.ts";

/** What is one setting in the file may have been parsed into parts, such as an address into host and port. */
const SETTINGS: ReadonlySet<string> = new Set(settingsOf(fileSchema).map(({ key }) => key));

/**
 * The settings in which two configurations differ, by their keys in the file. Sections are looked into, lists are not.
 *
 * @param isLeftOut - of a key: what is taken without a restart.
 */
export function changedSettings(
  before: unknown,
  after: unknown,
  isLeftOut: (key: string) => boolean,
  above = "",
): readonly string[] {
  if (isLeftOut(above) || isDeepStrictEqual(before, after)) return [];
  if (SETTINGS.has(above) || !isSection(before) || !isSection(after)) return [above];
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names].flatMap((name) =>
    changedSettings(before[name], after[name], isLeftOut, above === "" ? name : `${above}.${name}`),
  );
}

function isSection(value: unknown): value is Readonly<Record<string, unknown>> {
  return value !== null && typeof value === "object" && Object.getPrototypeOf(value) === Object.prototype;
}
