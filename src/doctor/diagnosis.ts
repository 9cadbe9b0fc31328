/** `skipped`: nothing is known of it, and `what` says why. */
export type Severity = "ok" | "warning" | "error" | "skipped";

/** What was looked at, in the order in which a person would mend it: what comes later may follow from what came before. */
export const SUBJECTS = [
  "node",
  "libraries",
  "kernel",
  "namespaces",
  "clock",
  "configuration",
  "users",
  "files",
  "data",
  "disk",
  "sockets",
  "limits",
  "broker",
] as const;
export type Subject = (typeof SUBJECTS)[number];

/** One thing that was looked at on a machine. */
export type Diagnosis = {
  readonly subject: Subject;
  readonly severity: Severity;
  /** What is so. */
  readonly what: string;
  /** What comes of it; of all but `ok`. */
  readonly why?: string;
  /** A command, or a setting; of what wants to be mended. */
  readonly mend?: string;
};

export function ok(subject: Subject, what: string): Diagnosis {
  return { subject, severity: "ok", what };
}

export function skipped(subject: Subject, what: string, mend?: string): Diagnosis {
  return { subject, severity: "skipped", what, ...(mend !== undefined && { mend }) };
}

type Trouble = { readonly what: string; readonly why: string; readonly mend: string };

export function error(subject: Subject, trouble: Trouble): Diagnosis {
  return { subject, severity: "error", ...trouble };
}

export function warning(subject: Subject, trouble: Trouble): Diagnosis {
  return { subject, severity: "warning", ...trouble };
}
