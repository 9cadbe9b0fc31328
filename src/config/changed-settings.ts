import { isDeepStrictEqual } from "node:util";

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
  if (!isSection(before) || !isSection(after)) return [above];
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names].flatMap((name) =>
    changedSettings(before[name], after[name], isLeftOut, above === "" ? name : `${above}.${name}`),
  );
}

function isSection(value: unknown): value is Readonly<Record<string, unknown>> {
  return value !== null && typeof value === "object" && Object.getPrototypeOf(value) === Object.prototype;
}
