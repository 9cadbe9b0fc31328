import { type Command, Option } from "commander";
import type { Context } from "../context.ts";
import type { PolicyOptions } from "../policy/check-policies.ts";
import { acting } from "../session.ts";
import { addPolicyReplay } from "./policy-replay.ts";
import { addPolicySets } from "./policy-sets.ts";

/** What asks the engine here, and not the broker's, is loaded only as it does. */
export function addPolicy(policy: Command, context: Context): void {
  policy
    .command("schema")
    .description("what policies can ask about: the schema, with each part explained")
    .action(
      acting(context, async ({ context: { out } }) => {
        const { policySchemaText } = await import("../../adapters/policy-cedar/policy-files.ts");
        out.write(policySchemaText());
      }),
    );
  withBaseline(policy.command("validate"))
    .description("are policies fit to be put in force? Every finding, with file, line and column")
    .argument("[paths...]", "a directory of *.cedar, or files; none: the baseline alone")
    .action(
      acting(context, async (session, options: PolicyOptions, paths: readonly string[]) => {
        const { validatePolicies } = await import("../policy/check-policies.ts");
        await validatePolicies(session, options, paths);
      }),
    );
  withBaseline(policy.command("test"))
    .description("runs the cases in *.test.yaml against the policies beside them")
    .argument("<directory>", "with *.cedar and *.test.yaml")
    .action(
      acting(context, async (session, options: PolicyOptions, directory: string) => {
        const { testPolicies } = await import("../policy/check-policies.ts");
        await testPolicies(session, options, directory);
      }),
    );
  addPolicySets(policy, context);
  addPolicyReplay(policy, context);
}

function withBaseline(command: Command): Command {
  return command
    .addOption(new Option("--baseline", "together with the policies that come with Stint").default(true))
    .addOption(new Option("--no-baseline", "without them"));
}
