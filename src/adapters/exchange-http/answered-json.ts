import { ExchangeFailure } from "../../domain/exchange.ts";
import type { Answer } from "./ask.ts";

export type Members = Readonly<Record<string, unknown>>;

/** @returns the members of an object of JSON; an empty one for anything else. */
export function membersOf(value: unknown): Members {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Members) : {};
}

/** @returns the members of an answer; an empty object where it is no object of JSON. */
export function answeredMembers({ text }: Pick<Answer, "text">): Members {
  try {
    return membersOf(JSON.parse(text));
  } catch {
    return {};
  }
}

export function textIn(members: Members, name: string): string | undefined {
  const value = members[name];
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** A whole number of seconds above 0; also where it is written as text, as some servers do. */
export function secondsIn(members: Members, name: string): number | undefined {
  const value = typeof members[name] === "string" ? Number(members[name]) : members[name];
  return typeof value === "number" && Number.isFinite(value) && value >= 1 ? Math.floor(value) : undefined;
}

/**
 * The failure that an answer other than the expected one is: `refused` for a status that says that the request is at
 * fault, `unavailable` for any other.
 *
 * @param options.mayExist - whether something may have been made all the same.
 */
export function unexpected(
  { status }: Pick<Answer, "status">,
  options: { readonly mayExist: boolean; readonly handle?: string },
): ExchangeFailure {
  const isRefusal = status >= 400 && status < 500 && status !== 408 && status !== 429;
  return new ExchangeFailure(isRefusal ? "refused" : "unavailable", `answered ${status}`, options);
}
