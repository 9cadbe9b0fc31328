import type { CountRowsResponse, HistorySpans } from "../gen/stint/v1/history_pb.js";
import { EXIT, Failure } from "./failure.ts";

/**
 * How long something of rows lasted, of an answer to a question that asked for it.
 *
 * @throws Failure for a broker that does not know the question: it has counted all rows, and of how many have what was asked for it says nothing
 */
export function toldSpans({ spans }: CountRowsResponse): HistorySpans {
  if (spans !== undefined) return spans;
  throw new Failure(
    "UNIMPLEMENTED: the broker does not tell how long anything lasted: it is of an older version",
    EXIT.refused,
  );
}
