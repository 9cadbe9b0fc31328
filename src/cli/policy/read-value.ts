import { invalidField } from "../../domain/errors.ts";

/** Reads a value that was given for a field. @throws BrokerError INVALID_FIELD */
export type Read<Value> = (input: unknown, field: string) => Value;

export const text: Read<string> = (input, field) => {
  if (typeof input !== "string" || input === "") throw invalidField(field, "text");
  return input;
};

export const count: Read<number> = (input, field) => {
  if (!Number.isSafeInteger(input) || (input as number) < 0) throw invalidField(field, "a whole number from 0");
  return input as number;
};

export function oneOf<Value extends string>(values: readonly Value[]): Read<Value> {
  return (input, field) => {
    const value = values.find((one) => one === input);
    if (value === undefined) throw invalidField(field, `one of ${values.join(", ")}`);
    return value;
  };
}

export function listOf<Value>(read: Read<Value>): Read<readonly Value[]> {
  return (input, field) => {
    if (!Array.isArray(input)) throw invalidField(field, "a list");
    return input.map((one: unknown, index) => read(one, `${field}[${index}]`));
  };
}

/**
 * The members of a mapping.
 *
 * @param known - the names that it may have; `undefined` for any.
 * @throws BrokerError INVALID_FIELD
 */
export function members(
  input: unknown,
  field: string,
  known: readonly string[] | undefined,
): Readonly<Record<string, unknown>> {
  if (typeof input !== "object" || input === null || Array.isArray(input)) {
    throw invalidField(field, known === undefined ? "a mapping" : `a mapping with ${known.join(", ")}`);
  }
  for (const name of Object.keys(input)) {
    if (known !== undefined && !known.includes(name)) {
      throw invalidField(field === "" ? name : `${field}.${name}`, `unknown; expected ${known.join(", ")}`);
    }
  }
  return input as Readonly<Record<string, unknown>>;
}

/** A member that is there, and is not only inherited. */
export function memberOf(mapping: Readonly<Record<string, unknown>>, name: string): unknown {
  return Object.hasOwn(mapping, name) ? (mapping[name] ?? undefined) : undefined;
}
