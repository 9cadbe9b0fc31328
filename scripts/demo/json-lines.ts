/** What goes between the demo and its processes: one line of JSON each way for a command, and lines that tell of events. */
export type CommandLine = { readonly id: number; readonly command: string; readonly input: unknown };
export type AnswerLine =
  | { readonly id: number; readonly answer: unknown }
  | { readonly id: number; readonly error: RefusalLine }
  | { readonly event: string; readonly facts: EventFacts };
export type RefusalLine = {
  readonly reason: string;
  readonly message: string;
  readonly metadata: Readonly<Record<string, string>>;
};
export type EventFacts = Readonly<Record<string, string | number>>;

/** Commands of a process, by name. */
export type Commands = Readonly<Record<string, (input: never) => Promise<unknown>>>;

/** Milliseconds on the clock that all processes of a machine share and that nobody can set. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
