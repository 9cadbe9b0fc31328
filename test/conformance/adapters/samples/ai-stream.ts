// A stream of the Vercel AI SDK in one step, for the documentation.
import { isStepCount, type LanguageModel, streamText, type ToolSet } from "ai";
import { stepTools } from "stint-sdk/adapters/ai";
import type { Grant, Stint } from "stint-sdk/runtime";

export type Streaming = {
  readonly model: LanguageModel;
  readonly tools: ToolSet;
  readonly grant: Grant;
  readonly write: (text: string) => void;
};

export async function stream(stint: Stint, runId: string, { model, tools, grant, write }: Streaming): Promise<void> {
  // #region stream
  await stint.withStep({ runId, step: "answer", grant }, async (step) => {
    // Tools are called where the stream is read, so they are told of the step by hand.
    const inStep = stepTools(tools, { run: { step } });
    const { textStream } = streamText({
      model,
      tools: inStep,
      prompt: "Write a report",
      stopWhen: isStepCount(5),
      abortSignal: step.signal,
    });
    for await (const text of textStream) write(text);
  });
  // #endregion
}
