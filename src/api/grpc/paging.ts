import { invalidField } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { StepState } from "../../domain/step.ts";
import type { StepState as StateMessage } from "../../gen/stint/v1/types_pb.js";
import { stepStateOf } from "../../wire/step-message.ts";

/** The bounds of one page: a keyset cursor, so that rows recorded meanwhile shift nothing. */
export function pageOf(pageSize: number, pageToken: string): { readonly limit: number; readonly before?: number } {
  if (pageSize > LIMITS.pageSizeMax) throw invalidField("page_size", `at most ${LIMITS.pageSizeMax}`);
  const limit = pageSize === 0 ? LIMITS.pageSizeDefault : pageSize;
  if (pageToken === "") return { limit };
  const text = Buffer.from(pageToken, "base64url").toString("latin1");
  const before = /^[1-9][0-9]{0,15}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(before)) throw invalidField("page_token", "one that an answer before gave");
  return { limit, before };
}

/** The cursor of the next page; empty when this one was the last. */
export function nextPageToken<Row>(rows: readonly Row[], limit: number, sequenceOf: (row: Row) => number): string {
  const last = rows.at(-1);
  if (last === undefined || rows.length < limit) return "";
  return Buffer.from(String(sequenceOf(last)), "latin1").toString("base64url");
}

export function stepStatesOf(messages: readonly StateMessage[]): readonly StepState[] {
  return messages.map((message) => {
    const state = stepStateOf(message);
    if (state === undefined) throw invalidField("states", "states of a step");
    return state;
  });
}
