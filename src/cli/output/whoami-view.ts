import type { WhoAmIResponse } from "../../gen/stint/v1/callers_pb.js";
import { processField, textField } from "./fields.ts";

import { stepView } from "./step-view.ts";
import { recordOf, type View } from "./view.ts";

/** For programs all of a step; for people its names. */
export function whoamiView(isForPeople: boolean): View<WhoAmIResponse> {
  return {
    fields: [
      [
        "entries",
        ({ entries }) =>
          isForPeople && entries.length === 0
            ? "none"
            : entries.map(({ kind, name, spiffeId }) =>
                isForPeople ? `${kind}/${name}` : { entry: `${kind}/${name}`, spiffe_id: spiffeId },
              ),
      ],
      ["steps", ({ steps }) => steps.map((step) => (isForPeople ? step.spiffeId : recordOf(stepView, step)))],
      ["steps_count", ({ stepsCount }) => stepsCount],
      ["without_step", ({ withoutStep }) => textField(withoutStep)],
      ["without_opening", ({ withoutOpening }) => textField(withoutOpening)],
      ["opens_not_by", ({ opensNotBy }) => opensNotBy],
      ["descends_from", ({ descendsFrom }) => processField(descendsFrom)],
      ["uid", ({ uid }) => uid],
      ["gid", ({ gid }) => gid],
      ["executable", ({ executable }) => textField(executable)],
      ["executable_sha256", ({ executableSha256 }) => textField(executableSha256)],
      ["selectors", ({ selectors }) => selectors],
      [
        "unavailable",
        ({ unavailable }) =>
          unavailable.map(({ kind, reason }) => (isForPeople ? `${kind}: ${reason}` : { kind, reason })),
      ],
      ["process", ({ process }) => processField(process)],
    ],
    columns: [],
  };
}
