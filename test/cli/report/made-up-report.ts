import type { Report } from "../../../src/cli/report/report.ts";

/** What a model may have named a run, with 128 characters. */
export const HOSTILE = `<img src=x onerror=alert(1)>'"><script>\u202Egnp.exe\u2066${"ש".repeat(74)}&amp;`.padEnd(
  128,
  "w",
);

/** A report in which a name is wherever somebody else's text can be. */
export function reportWith(name: string): Report {
  const figure = { may_change: true, command: "stint history steps --group-by agent", count: 1 };
  return {
    schema: "https://stint.example/report/v1",
    made_at: "2026-11-30T12:00:00.000Z",
    made_by: "stint 0.2.0",
    trust_domain: "example.org",
    period: { since: "2026-11-01T00:00:00.000Z", until: "2026-11-30T00:00:00.000Z" },
    framework: {
      id: "maestro",
      name: "A framework",
      version: "1",
      date: "2026",
      source: "https://example.org/framework",
      reviewed: "2026-11-30: by nobody",
    },
    ledger: {
      epoch: "epoch_1",
      begins_at: "2026-11-01T00:00:00.000Z",
      pruned_events: 0,
      kept_for: { steps: 86_400 },
      checkpoint: `example.org/stint/ledger/epoch_1\n1\n${name}\n`,
      verifier_key: `example.org/stint/ledger/epoch_1+00000000+${name}`,
    },
    reservations: [`When this report was made the broker issued nothing: ${name}.`],
    figures: [
      {
        ...figure,
        id: "steps-by-agent",
        title: "Steps of the period, by agent",
        groups: [
          { value: name, count: 1 },
          { value: null, count: 1 },
        ],
        groups_left_out: 3,
        count_left_out: 7,
      },
      { ...figure, id: "closes", title: "Closes" },
    ],
    examples: [
      {
        id: "step-closed",
        title: "A step is closed",
        sequence: 1,
        event: { type: "step.closed", reason: name },
        proof: `c2sp.org/tlog-proof@v1\n${name}\n`,
      },
      { id: "refusal", title: "A refusal", absent: "nothing like it was recorded in the period" },
    ],
    controls: [
      {
        id: "C 1",
        title: "A control",
        does: [
          {
            says: "It does.",
            promise: "somebody: do it",
            figures: ["steps-by-agent", "closes"],
            examples: ["step-closed", "refusal"],
          },
        ],
        not_covered: "All else.",
      },
      { id: "C2(1)(e)", title: "Another", does: [], not_covered: "Everything." },
    ],
    nothing_for: { controls: ["C3", "C4"], because: "They are others'." },
  };
}
