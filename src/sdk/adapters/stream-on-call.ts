import type { Step } from "../runtime/index.ts";
import type { ToolCall } from "./tool-call.ts";
import { type ToolSettings, workOnCall } from "./work-on-call.ts";

/**
 * As `workOnCall`, for a tool that gives its result in parts: the step is open until the last part was taken, and closed when this ends.
 * Whoever takes no more cancels the call.
 *
 * @throws as `workOnCall`, after the parts that there were
 */
export async function* streamOnCall<Part>(
  call: ToolCall,
  settings: ToolSettings,
  work: (step: Step, signal: AbortSignal) => AsyncIterable<Part>,
): AsyncGenerator<Part, void> {
  const left = new AbortController();
  const signal = call.signal === undefined ? left.signal : AbortSignal.any([call.signal, left.signal]);
  const { readable, writable } = new TransformStream<Part, Part>();
  const writer = writable.getWriter();
  const worked = workOnCall({ ...call, signal }, settings, async (step, workSignal) => {
    for await (const part of work(step, workSignal)) await writer.write(part);
  });
  const told = worked
    .then(
      () => writer.close(),
      (thrown: unknown) => writer.abort(thrown),
    )
    // Nobody reads any more: there is nothing to tell.
    .catch(() => undefined);
  try {
    yield* readable;
  } finally {
    left.abort();
    await told;
  }
}
