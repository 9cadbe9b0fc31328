import { z } from "zod";
import { RETENTION_SECONDS_MIN } from "../domain/retention.ts";
import { duration, section } from "./fields.ts";

const FOREVER = "forever";

const period = (what: string) =>
  z
    .union([z.literal(FOREVER), duration()], { error: `expected a time of a day or more, such as 90d, or ${FOREVER}` })
    .refine((value) => value === FOREVER || value >= RETENTION_SECONDS_MIN, {
      error: `expected 1d or more, or ${FOREVER}`,
    })
    .prefault(FOREVER)
    .describe(`How long after its end the log says ${what}.`);

/** For how long the log keeps what its events say. */
export const retentionSection = section({
  issuances: period("what credentials, and secrets of other systems, were for"),
  steps: period("how steps were opened, approved, renewed and closed"),
  decisions: period("what decisions were made on"),
  calls: period("which calls waited for approval, and how often tools were called"),
  deliveries: period("who was told of revocations when"),
});
