import type { Json } from "./view.ts";

/** One member that two definitions of a tool have differently; `null` where one has none, and for the text `null` itself. */
export type ToolDifference = {
  /** JSON Pointer (RFC 6901) to it, or to the innermost member around it that both have. */
  readonly member: string;
  readonly was: Json;
  readonly is: Json;
};

/**
 * In which members two definitions differ, down to the innermost ones.
 *
 * @param was - JSON; `undefined`: there was none.
 * @param is - JSON.
 */
export function toolDifferences(was: string | undefined, is: string): readonly ToolDifference[] {
  return differences("", was === undefined ? {} : (JSON.parse(was) as Json), JSON.parse(is) as Json);
}

function differences(member: string, was: Json | undefined, is: Json | undefined): readonly ToolDifference[] {
  if (isParted(was) && isParted(is) && Array.isArray(was) === Array.isArray(is)) {
    const [before, after] = [new Map(Object.entries(was)), new Map(Object.entries(is))];
    const names = [...new Set([...before.keys(), ...after.keys()])];
    return names.flatMap((name) => differences(`${member}/${pointerPart(name)}`, before.get(name), after.get(name)));
  }
  if (JSON.stringify(was) === JSON.stringify(is)) return [];
  return [{ member, was: was ?? null, is: is ?? null }];
}

function isParted(value: Json | undefined): value is Exclude<Json, string | number | boolean | null> {
  return typeof value === "object" && value !== null;
}

function pointerPart(name: string): string {
  return name.replaceAll("~", "~0").replaceAll("/", "~1");
}
