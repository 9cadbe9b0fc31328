import { createInterface } from "node:readline/promises";
import { BrokerError } from "../../domain/errors.ts";
import type { Context } from "../context.ts";
import { EXIT, Failure, usageFailure } from "../failure.ts";
import type { Question } from "./plan.ts";

export type Asking = {
  /** @throws Failure where nobody answers; BrokerError INVALID_FIELD for what a flag says */
  ask<Value>(question: Question<Value>): Promise<Value>;
  close(): void;
};

/** What was given, and what belongs there. */
export function mistakeOf({ message }: BrokerError): string {
  return message.replace(/^(--[a-z-]+: )/, "$1expected ");
}

/**
 * Asks a person on a terminal, again for each answer that can't be. Otherwise takes what flags say.
 *
 * @param takesUsual - whether the usual answer is taken where no flag gives another, and nobody is asked.
 */
export function createAsking({ input, err }: Context, takesUsual: boolean): Asking {
  const terminal: typeof input & { readonly isTTY?: boolean } = input;
  const isAttended = terminal.isTTY === true && !takesUsual;
  const gone = new AbortController();
  const lines = isAttended ? createInterface({ input, output: err }) : undefined;
  // Without this a question would be waited on for ever.
  lines?.once("close", () => gone.abort());

  async function askPerson<Value>({ text, usual, parse }: Question<Value>): Promise<Value> {
    for (;;) {
      let line: string | undefined;
      try {
        line = await lines?.question(`${text} [${usual}] `, { signal: gone.signal });
      } catch {
        // The end of input, or an interrupt.
      }
      if (line === undefined) throw new Failure("not answered, nothing is written", EXIT.refused);
      try {
        return parse(line.trim() === "" ? usual : line.trim());
      } catch (thrown) {
        if (!(thrown instanceof BrokerError)) throw thrown;
        err.write(`${mistakeOf(thrown)}\n`);
      }
    }
  }

  return {
    async ask(question) {
      const { flag, given, usual, parse } = question;
      if (given !== undefined) return parse(given);
      if (isAttended) return await askPerson(question);
      if (takesUsual) return parse(usual);
      throw usageFailure(`${flag}: needed where nobody can be asked; --yes takes ${usual}`);
    },
    close: () => lines?.close(),
  };
}
