import { resolve } from "node:path";
import { createStint, isStintError, type Step, type Stint, StintError } from "../../sdk/runtime/index.ts";
import { socketPathOf } from "../../wire/channel.ts";
import { EXIT, Failure, usageFailure } from "../failure.ts";
import { showControls } from "../output/show-controls.ts";
import type { Session } from "../session.ts";

/** What the broker says to a process that is not the step's executor: it need not know more of the step. */
const NOT_THE_EXECUTOR = new Set(["NOT_ENTITLED", "STEP_NOT_FOUND", "NO_IDENTITY"]);

/**
 * Works with the step that this process executes.
 *
 * @param stepId - as `stint step run` tells it to its command.
 * @param hold - whether the step's end is to be heard of while the work goes on.
 * @throws Failure, also for what the broker refuses
 */
export async function withOwnStep<Result>(
  session: Session,
  { stepId, hold }: { readonly stepId: string | undefined; readonly hold: boolean },
  work: (step: Step) => Promise<Result>,
): Promise<Result> {
  if (stepId === undefined) {
    throw usageFailure(
      "no step: this is for a command that runs as one (stint step run … -- …), or name it by --step-id",
    );
  }
  using stint = connectAsExecutor(session);
  try {
    return await work(await stint.resumeStep({ stepId, hold }));
  } catch (thrown) {
    throw thrown instanceof StintError ? failureOfStep(thrown) : thrown;
  }
}

/** Not over the broker endpoint, whatever the environment says: nobody sees there which process asks. */
export function connectAsExecutor({ globals }: Pick<Session, "globals">): Stint {
  return createStint({ endpoint: `unix://${resolve(socketPathOf(globals.socket))}`, brokerEndpoint: "" });
}

function failureOfStep(error: StintError): Failure {
  const text = `${error.reason}: ${showControls(error.message)}`;
  if (isStintError(error, "UNREACHABLE"))
    return new Failure(`can't reach the broker: ${error.message}`, EXIT.unreachable);
  if (!NOT_THE_EXECUTOR.has(error.reason)) return new Failure(text, EXIT.refused);
  // Of a process below the executor the broker knows what it is, and has named the tree as a way on.
  const tree = error.message.includes("--executor tree")
    ? ""
    : "open the step for a tree of processes (stint step run --executor tree, where the agent's entry has allow_executor_tree), ";
  return new Failure(
    `${text}; a command that a shell starts is another process than the shell: ${tree}run it as the step's command ` +
      "(stint step run … -- stint svid …), or put exec before it",
    EXIT.refused,
  );
}
