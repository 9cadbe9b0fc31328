import { z } from "zod";
import { canonicalText } from "../domain/canonical-json.ts";
import { type DataClasses, RATCHETS, SENSITIVITIES } from "../domain/data-classes.ts";
import { checkResourceUri, isDatatype } from "../domain/grant.ts";
import { LIMITS } from "../domain/limits.ts";
import { sortedSet } from "../domain/sorted-set.ts";
import { type ExternalPolicyConfig, externalPolicyOf, externalPolicySection } from "./external-policy-section.ts";
import { absolutePath, accepted, list, oneOf, section, yesNo } from "./fields.ts";

/** One class of data, and what a run that was granted it may still do. */
const dataClass = section({
  sensitivity: oneOf(SENSITIVITIES).describe(
    "Whether a run that was granted the class may go on as before (`ordinary`), or is confined to its security domain from then on.",
  ),
  security_domain: list(
    accepted((uri) => {
      checkResourceUri(uri, "security_domain");
      return uri;
    }, "a canonical http(s) URI, e.g. https://crm.example/mcp"),
    "locations",
  )
    .prefault([])
    .describe("Locations at which such a run may still write, execute and move data."),
}).superRefine(({ sensitivity, security_domain }, context) => {
  if (sensitivity !== "ordinary" || security_domain.length === 0) return;
  const message = "expected none: a class that is ordinary confines nothing";
  context.addIssue({ code: "custom", path: ["security_domain"], message });
});

/** Classes that need no care, and that nearly every site has. */
const USUAL_CLASSES = { public: { sensitivity: "ordinary" }, internal: { sensitivity: "ordinary" } } as const;

/** What decides at run time within the ceilings. */
export const policiesSection = section({
  baseline: yesNo().prefault(true).describe("Whether the policies that come with Stint are among those in force."),
  directory: absolutePath()
    .optional()
    .describe("Directory of the site's own policies: each file `*.cedar` in it, at least one. Absent: there are none."),
  ratchet: oneOf(RATCHETS)
    .prefault("run")
    .describe("Which grants of a class count for a step: those of its run, or of all runs of its principal."),
  data_classes: z
    .record(z.string(), dataClass, {
      error: (issue) => (issue.code === "invalid_type" ? "expected a mapping of names of classes" : undefined),
    })
    .prefault(USUAL_CLASSES)
    .superRefine((classes, context) => {
      const names = Object.keys(classes);
      for (const name of names.filter((one) => !isDatatype(one))) {
        const message = "expected the name of a class: 1 to 128 characters A-Z, a-z, 0-9, '.', '_', '-'";
        context.addIssue({ code: "custom", path: [name], message });
      }
      if (names.length > LIMITS.dataClassesMax) context.addIssue(`expected at most ${LIMITS.dataClassesMax} classes`);
      if (Buffer.byteLength(canonicalText(classes)) > LIMITS.policyBytesMax) {
        context.addIssue(`expected at most ${LIMITS.policyBytesMax} bytes in all`);
      }
    })
    .describe(
      "Classes of data by name. Without it `public` and `internal` are `ordinary`; a class that is not listed is `restricted`, with nothing in its security domain.",
    ),
  external: externalPolicySection
    .optional()
    .describe("An engine of policies outside of the broker. Absent: the broker's own policies decide alone."),
}).superRefine(({ baseline, directory, external }, context) => {
  if (external === undefined) return;
  const isAlone = external.opa.instead_of_cedar;
  if (isAlone && directory !== undefined) {
    const message = "expected none: nothing would evaluate it where OPA decides instead_of_cedar";
    context.addIssue({ code: "custom", path: ["directory"], message });
  }
  // Where no set is in force the ceilings alone decide, and nobody is asked.
  if (!isAlone && !baseline && directory === undefined) {
    const message =
      "expected baseline or directory with it, or instead_of_cedar: where there are no policies OPA is not asked";
    context.addIssue({ code: "custom", path: ["external", "opa"], message });
  }
});

type PoliciesSettings = z.infer<typeof policiesSection>;

/** Where policies come from, and what the classes of data are that they decide on. */
export type PoliciesConfig = {
  readonly baseline: boolean;
  readonly directory?: string;
  readonly dataClasses: DataClasses;
  readonly external?: ExternalPolicyConfig;
};

export function policiesOf(settings: PoliciesSettings): PoliciesConfig {
  const { baseline, directory, ratchet, data_classes, external } = settings;
  const classes = Object.entries(data_classes).map(([name, { sensitivity, security_domain }]) => [
    name,
    { sensitivity, securityDomain: sortedSet(security_domain) },
  ]);
  return {
    baseline,
    ...(directory !== undefined && { directory }),
    dataClasses: { ratchet, classes: Object.fromEntries(classes) },
    ...(external !== undefined && { external: externalPolicyOf(external) }),
  };
}
