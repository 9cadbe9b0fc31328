/**
 * What an agent of Mastra's generated, unless it was aborted: Mastra resolves then too, with a part of the result and without an error.
 *
 * @param signal - that the agent was given as `abortSignal`.
 * @throws the signal's reason; what `generating` threw
 * @example
 * const { text } = await unlessAborted(agent.generate(prompt, { abortSignal: signal }), signal);
 */
export async function unlessAborted<Result>(generating: Promise<Result>, signal: AbortSignal): Promise<Result> {
  const result = await generating;
  signal.throwIfAborted();
  return result;
}
