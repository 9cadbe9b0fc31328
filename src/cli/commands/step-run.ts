import { type Command, Option } from "commander";
import type { Context } from "../context.ts";
import { ExitStatus } from "../failure.ts";
import { durationFlag } from "../flags.ts";
import { addOpenFlags } from "../open-flags.ts";
import type { RunOptions } from "../run-as-step.ts";
import { acting } from "../session.ts";

/** As long as most supervisors give a program to put its things away. */
const END_GRACE_SECONDS = 10;

/** `stint step run`: what it stands on is loaded only as it runs, since no other command of `step` needs the SDK's runtime. */
export function addStepRun(step: Command, context: Context): void {
  addEndFlags(
    addOpenFlags(
      step
        .command("run")
        .description("run a command as a step: open, run as its executor, hold, close with the command's exit status")
        .argument("<command...>", "after --: the command and its arguments"),
    )
      .addOption(
        new Option("--executor <which>", "who may fetch its credentials: the command's process, or with those below it")
          .choices(["process", "tree"])
          .default("process"),
      )
      .addOption(
        // Beside the variable that a flag of this name would have: that one is the command's, and has the number.
        new Option(
          "--credential-fd",
          "send the command tokens for each --audience, or each location of the grant, on the descriptor that " +
            "STINT_CREDENTIAL_FD names, and be the executor in its place",
        ).env("STINT_SEND_CREDENTIALS"),
      )
      .option("--enroll", "let the command open steps of its own, as a runtime: otherwise only under this one"),
  ).action(
    acting(context, async (session, options: RunOptions, command: readonly string[]) => {
      const { runAsStep } = await import("../run-as-step.ts");
      throw new ExitStatus(await runAsStep(session, options, command));
    }),
  );
}

/** What becomes of a command whose step ends. */
export function addEndFlags(command: Command): Command {
  return command
    .addOption(
      new Option("--on-end <act>", "when the step ends under the command: end the command too, or only say so")
        .choices(["term", "ignore"])
        .default("term"),
    )
    .addOption(
      new Option("--end-grace <time>", "how long a command has after SIGTERM, before SIGKILL")
        .argParser(durationFlag)
        .default(END_GRACE_SECONDS, `${END_GRACE_SECONDS}s`),
    );
}
