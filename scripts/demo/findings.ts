/** A promise, and whether this run kept it. */
export type Finding = {
  readonly id: string;
  readonly promise: string;
  readonly held: boolean;
  /** What was seen or measured, for the line that is printed. */
  readonly seen: string;
  readonly measured: Readonly<Record<string, string | number>>;
};

type Act = { readonly title: string; readonly findings: Finding[]; readonly notes: string[] };

export type Report = {
  readonly acts: readonly Act[];
  /** Begins an act; what is recorded from here on belongs to it. */
  begin(title: string): void;
  /**
   * Records a promise as kept or broken.
   *
   * @param seen - in words; numbers in it are measured, never meant.
   */
  record(
    id: string,
    promise: string,
    held: boolean,
    seen: string,
    measured?: Readonly<Record<string, string | number>>,
  ): void;
  /** Prints something beside the promises. */
  note(text: string): void;
};

/** @param listener - is told of everything as it happens. */
export function createReport(listener: {
  readonly began: (title: string, number: number) => void;
  readonly found: (finding: Finding) => void;
  readonly noted: (text: string) => void;
}): Report {
  const acts: Act[] = [];
  return {
    acts,
    begin(title) {
      acts.push({ title, findings: [], notes: [] });
      listener.began(title, acts.length);
    },
    record(id, promise, held, seen, measured = {}) {
      const finding: Finding = { id, promise, held, seen, measured: rounded(measured) };
      acts.at(-1)?.findings.push(finding);
      listener.found(finding);
    },
    note(text) {
      acts.at(-1)?.notes.push(text);
      listener.noted(text);
    },
  };
}

/** The clock's last digits say nothing. */
function rounded(measured: Readonly<Record<string, string | number>>): Readonly<Record<string, string | number>> {
  return Object.fromEntries(
    Object.entries(measured).map(([name, value]) => [
      name,
      typeof value === "number" ? Math.round(value * 100) / 100 : value,
    ]),
  );
}

/** `0.84 ms`, `12 ms`, `1.2 s`. */
export function inMs(ms: number): string {
  if (ms >= 1_000) return `${(ms / 1_000).toFixed(1)} s`;
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}
