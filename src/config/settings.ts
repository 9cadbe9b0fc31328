import { z } from "zod";
import type { Place } from "./finding.ts";

/** One setting of the file that is no list: such a setting can also come from a flag or from the environment. */
export type Setting = {
  /** As in the file, e.g. `http.listen`. */
  readonly key: string;
  readonly path: readonly string[];
  readonly variable: string;
  readonly description: string;
  /** The default, as it would be written in the file; absent where there is none. */
  readonly fallback?: string | number | boolean;
  readonly schema: z.ZodType;
  /** The section around the setting that may be absent as a whole, and its defaults with it. */
  readonly optionalSection?: readonly string[];
};

/** Values given outside the file, by key: `{"log.level": "debug"}`. */
export type Flags = Readonly<Record<string, string>>;
export type Environment = Readonly<Record<string, string | undefined>>;

/** Every scalar setting of a schema, in its order. */
export function settingsOf(schema: z.ZodObject): readonly Setting[] {
  return settingsBelow(schema, [], undefined);
}

function settingsBelow(
  schema: z.ZodObject,
  above: readonly string[],
  optionalSection: readonly string[] | undefined,
): readonly Setting[] {
  return Object.entries(schema.shape).flatMap(([name, field]): readonly Setting[] => {
    const path = [...above, name];
    const { inner, fallback, description } = unwrapped(field as z.ZodType);
    if (inner instanceof z.ZodObject) {
      return settingsBelow(inner, path, fallback === undefined && inner !== field ? path : optionalSection);
    }
    if (inner instanceof z.ZodArray || inner instanceof z.ZodRecord) return [];
    const key = path.join(".");
    return [
      {
        key,
        path,
        variable: `STINT_${path.join("_").toUpperCase()}`,
        description: description ?? "",
        schema: inner,
        ...(isScalarValue(fallback) && { fallback }),
        ...(optionalSection !== undefined && { optionalSection }),
      },
    ];
  });
}

function unwrapped(field: z.ZodType): { inner: z.ZodType; fallback: unknown; description: string | undefined } {
  let inner = field;
  let fallback: unknown;
  let description = field.description;
  while (inner instanceof z.ZodOptional || inner instanceof z.ZodPrefault) {
    if (inner instanceof z.ZodPrefault) fallback = inner.def.defaultValue;
    inner = inner.unwrap() as z.ZodType;
    description ??= inner.description;
  }
  return { inner, fallback, description };
}

function isScalarValue(value: unknown): value is string | number | boolean {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean";
}

/**
 * Puts flags and environment over what the file says: flag, then environment, then file, then default.
 *
 * @param environment - an empty variable counts as not set: a shell or a unit file leaves a variable out by making it
 *   empty.
 * @returns the file's data with the values from outside put in, and where each of these values came from, by key.
 */
export function overlay(
  file: unknown,
  settings: readonly Setting[],
  flags: Flags,
  environment: Environment,
): { readonly value: unknown; readonly places: ReadonlyMap<string, Place> } {
  const places = new Map<string, Place>();
  let value = file;
  for (const setting of settings) {
    const given = givenOutside(setting, flags, environment);
    if (given === undefined) continue;
    places.set(setting.key, given.place);
    value = withMember(value, setting.path, typed(given.text, setting.schema));
  }
  return { value, places };
}

function givenOutside(
  setting: Setting,
  flags: Flags,
  environment: Environment,
): { readonly text: string; readonly place: Place } | undefined {
  const flag = Object.hasOwn(flags, setting.key) ? flags[setting.key] : undefined;
  if (flag !== undefined) return { text: flag, place: { kind: "flag", flag: setting.key } };
  const text = environment[setting.variable];
  if (text === undefined || text === "") return undefined;
  return { text, place: { kind: "environment", variable: setting.variable } };
}

/** Text as the kind of value that the setting takes. Text that fits in no form stays text, and is refused as such. */
function typed(text: string, schema: z.ZodType): string | number | boolean {
  if (schema.safeParse(text).success) return text;
  if (text === "true" || text === "false") return text === "true";
  if (/^-?[0-9]{1,15}$/.test(text)) return Number(text);
  return text;
}

function withMember(value: unknown, path: readonly string[], member: string | number | boolean): unknown {
  const [name, ...below] = path;
  if (name === undefined) return member;
  // Something else where a mapping belongs stays as it is, to be found wrong in its own place.
  if (value !== undefined && value !== null && (typeof value !== "object" || Array.isArray(value))) return value;
  const members = new Map(Object.entries(value ?? {}));
  members.set(name, withMember(members.get(name), below, member));
  return Object.fromEntries(members);
}
