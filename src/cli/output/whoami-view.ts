import type { WhoAmIResponse } from "../../gen/stint/v1/callers_pb.js";
import { processField } from "./fields.ts";

import { stepView } from "./step-view.ts";
import { recordOf, type View } from "./view.ts";

/** For programs all of a step; for people its names. */
export function whoamiView(isForPeople: boolean): View<WhoAmIResponse> {
  return {
    fields: [
      [
        "entries",
        ({ entries }) =>
          entries.map(({ kind, name, spiffeId }) =>
            isForPeople ? `${kind}/${name}` : { entry: `${kind}/${name}`, spiffe_id: spiffeId },
          ),
      ],
      ["steps", ({ steps }) => steps.map((step) => (isForPeople ? step.spiffeId : recordOf(stepView, step)))],
      ["steps_count", ({ stepsCount }) => stepsCount],
      ["without_step", ({ withoutStep }) => (withoutStep === "" ? undefined : withoutStep)],
      ["uid", ({ uid }) => uid],
      ["gid", ({ gid }) => gid],
      ["executable", ({ executable }) => (executable === "" ? undefined : executable)],
      ["executable_sha256", ({ executableSha256 }) => (executableSha256 === "" ? undefined : executableSha256)],
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
