import { duration, list, section, text } from "./fields.ts";

/** No library that is known allows more after `exp`; a setting beyond this is more likely a slip. */
const LEEWAY_SECONDS_MAX = 300;

/** What a closure goes by: until when a closed credential may be accepted somewhere. */
export const closuresSection = section({
  leeways: list(
    section({
      audience: text("an audience").describe("Audience as it is in credentials."),
      leeway: duration()
        .refine((seconds) => seconds >= 0 && seconds <= LEEWAY_SECONDS_MAX, { error: "expected 0s to 5m" })
        .describe("For how long after its expiry a credential is accepted there."),
    }),
    "leeways of audiences",
  )
    .prefault([])
    .superRefine((leeways, context) => {
      const audiences = new Set<string>();
      for (const [index, { audience }] of leeways.entries()) {
        if (audiences.has(audience)) {
          const message = "expected an audience that has no other leeway";
          context.addIssue({ code: "custom", path: [index, "audience"], message });
        }
        audiences.add(audience);
      }
    })
    .describe(
      "Audiences that allow a credential more or less time after its expiry than 5s, where a verifier of the broker is registered, and 60s elsewhere.",
    ),
});
