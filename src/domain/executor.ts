import { formatProcess, type ProcessIdentity, processFrom } from "./process.ts";

/** Which processes may be issued a step's credentials. */
export type Executor =
  | { readonly kind: "process"; readonly process: ProcessIdentity; readonly executable?: string }
  /** The process, and all whose chain of parents reaches it: whatever programs they run, so that none is pinned. */
  | { readonly kind: "tree"; readonly process: ProcessIdentity }
  | { readonly kind: "any" };

/** No process is called so: its text ends with a number. */
const TREE = "/tree";

/** One text for one executor, fit to be compared and stored; `undefined` for `any`. Without the executable. */
export function formatExecutor(executor: Executor): string | undefined {
  if (executor.kind === "any") return undefined;
  const process = formatProcess(executor.process);
  return executor.kind === "tree" ? treeText(process) : process;
}

/** The text of the tree below a process, by the text of the process. */
export function treeText(process: string): string {
  return `${process}${TREE}`;
}

/**
 * The executor that `formatExecutor` wrote.
 *
 * @throws RangeError for any other text
 */
export function executorFrom(text: string | undefined): Executor {
  if (text === undefined) return { kind: "any" };
  return text.endsWith(TREE)
    ? { kind: "tree", process: processFrom(text.slice(0, -TREE.length)) }
    : { kind: "process", process: processFrom(text) };
}
