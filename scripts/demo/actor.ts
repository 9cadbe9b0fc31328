import { createInterface } from "node:readline";
import { isStintError } from "stint-sdk/runtime";
import type { AnswerLine, CommandLine, Commands, EventFacts, RefusalLine } from "./json-lines.ts";

/** Does what it is told on standard input, each command in its own time, until that ends; and this process with it. */
export function serveCommands(commands: Commands): void {
  createInterface({ input: process.stdin })
    .on("line", (line) => void answer(JSON.parse(line) as CommandLine, commands))
    .on("close", () => process.exit(0));
  tell("ready", {});
}

/** Tells the demo of something that happened. */
export function tell(event: string, facts: EventFacts): void {
  say({ event, facts });
}

async function answer({ id, command, input }: CommandLine, commands: Commands): Promise<void> {
  const act = commands[command] as ((input: unknown) => Promise<unknown>) | undefined;
  try {
    if (act === undefined) throw new Error(`no command ${command}`);
    say({ id, answer: (await act(input)) ?? null });
  } catch (thrown) {
    say({ id, error: refusalOf(thrown) });
  }
}

function refusalOf(thrown: unknown): RefusalLine {
  if (isStintError(thrown)) return { reason: thrown.reason, message: thrown.message, metadata: thrown.metadata };
  return { reason: "", message: thrown instanceof Error ? thrown.message : String(thrown), metadata: {} };
}

function say(line: AnswerLine): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
