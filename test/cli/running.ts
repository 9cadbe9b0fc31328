import { Readable, Writable } from "node:stream";
import { stintProgram } from "../../src/cli/program.ts";
import { runProgram } from "../../src/cli/run-program.ts";

export type Ran = { readonly status: number; readonly out: string; readonly err: string };

/** Runs `stint` in this process, with streams of its own. */
export async function runStint(
  args: readonly string[],
  given: { readonly input?: string | Uint8Array; readonly now?: number } = {},
): Promise<Ran> {
  const out = collector();
  const err = collector();
  const context = {
    input: Readable.from(given.input === undefined ? [] : [Buffer.from(given.input)]),
    out: out.stream,
    err: err.stream,
    now: () => given.now ?? Date.now(),
  };
  const status = await runProgram(await stintProgram(context, args), args, context);
  return { status, out: out.text(), err: err.text() };
}

/** A stream that keeps what is written to it. */
export function collector(): { readonly stream: Writable; text(): string } {
  const chunks: string[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      chunks.push(String(chunk));
      done();
    },
  });
  return { stream, text: () => chunks.join("") };
}
