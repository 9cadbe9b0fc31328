import { randomBytes } from "node:crypto";
import type { Action } from "../../domain/grant.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { UsageOutcome } from "../../domain/usage.ts";
import { Authorizations, UsageOutcome as OutcomeMessage } from "../../gen/stint/v1/authorizations_pb.js";
import { callErrorOf } from "../../wire/call-error.ts";
import type { VerifierClock } from "./clock.ts";
import { lateClient } from "./late-client.ts";

/** What became of a call: `served` and `failed` as far as the head of its answer tells. */
export type { UsageOutcome } from "../../domain/usage.ts";

export type UsageReporter = {
  /** Never waits, and never throws. */
  add(call: {
    readonly jti: string;
    readonly tool: string;
    readonly actions: readonly Action[];
    readonly outcome: UsageOutcome;
  }): void;
  /** How many calls are waiting to be reported, by kind, and how many were left out since the last report. */
  status(): { readonly waiting: number; readonly gap: number };
  /** Sends what is waiting, once, and resolves whatever came of it. */
  flush(): Promise<void>;
  close(): void;
};

type Row = {
  readonly jti: string;
  readonly tool: string;
  readonly action: Action;
  readonly outcome: UsageOutcome;
  calls: number;
};

/** A report under way: sent again as it is until it is answered, since nobody knows whether it was recorded. */
type Report = { readonly reportId: string; readonly usages: readonly Row[]; readonly gap: number };

const INTERVAL_MS = 1_000;
/** The broker answers once it has recorded, which it does once a second. */
const CALL_MS_MAX = 10_000;
/** Kinds of calls that wait while the broker does not answer; those beyond are counted, and no more is known of them. */
const WAITING_MAX = 1_000;
const REPORT_ID_BYTES = 16;
/** What the field holds. */
const COUNT_MAX = 4_294_967_295;

const OUTCOMES = {
  served: OutcomeMessage.SERVED,
  refused: OutcomeMessage.REFUSED,
  failed: OutcomeMessage.FAILED,
  stopped: OutcomeMessage.STOPPED,
} as const satisfies Record<UsageOutcome, OutcomeMessage>;

/** Counts calls and tells the broker of them, in the background. */
export function createUsageReporter(endpoint: string, clock: Pick<VerifierClock, "schedule">): UsageReporter {
  const waiting = new Map<string, Row>();
  let gap = 0;
  let report: Report | undefined;
  let sending: Promise<void> | undefined;
  const client = lateClient(Authorizations, endpoint);
  let cancel: (() => void) | undefined;
  let closed = false;

  function takeReport(): Report | undefined {
    if (waiting.size === 0 && gap === 0) return undefined;
    const usages = [...waiting].slice(0, LIMITS.usagesPerReportMax);
    // A gap alone is told with the next call: a report names at least one.
    if (usages.length === 0) return undefined;
    for (const [key] of usages) waiting.delete(key);
    const taken = {
      reportId: randomBytes(REPORT_ID_BYTES).toString("base64url"),
      usages: usages.map(([, row]) => row),
      gap,
    };
    gap = 0;
    return taken;
  }

  async function send(): Promise<void> {
    const sent = report ?? takeReport();
    report = sent;
    if (sent === undefined) return;
    const { reportId, usages } = sent;
    const counted = usages.map(({ outcome, ...usage }) => ({ ...usage, outcome: OUTCOMES[outcome] }));
    try {
      await client.connected().reportUsage({ reportId, usages: counted, gap: sent.gap }, { deadlineMs: CALL_MS_MAX });
      report = undefined;
    } catch (thrown) {
      if (!isFinal(thrown)) return;
      // It will never be taken: what was in it is lost, and counted.
      gap = Math.min(COUNT_MAX, gap + sent.gap + usages.reduce((sum, { calls }) => sum + calls, 0));
      report = undefined;
    }
  }

  function flush(): Promise<void> {
    sending ??= send().finally(() => {
      sending = undefined;
    });
    return sending;
  }

  function later(): void {
    if (closed || cancel !== undefined) return;
    cancel = clock.schedule(INTERVAL_MS, () => {
      cancel = undefined;
      void flush().then(() => {
        if (waiting.size > 0 || report !== undefined) later();
      });
    });
  }

  function count(row: Omit<Row, "calls">): void {
    const key = `${row.jti} ${row.tool} ${row.action} ${row.outcome}`;
    const known = waiting.get(key);
    if (known !== undefined && known.calls < COUNT_MAX) known.calls += 1;
    else if (known === undefined && waiting.size < WAITING_MAX) waiting.set(key, { ...row, calls: 1 });
    else gap = Math.min(COUNT_MAX, gap + 1);
  }

  return {
    add({ actions, ...call }) {
      if (closed) return;
      for (const action of actions) count({ ...call, action });
      later();
    },
    status: () => ({ waiting: waiting.size + (report?.usages.length ?? 0), gap }),
    flush,
    close() {
      closed = true;
      cancel?.();
      client.close();
    },
  };
}

/** Whether sending the same again is of no use. */
function isFinal(thrown: unknown): boolean {
  const { reason } = callErrorOf(thrown);
  return reason === "INVALID_FIELD" || reason === "NOT_ENTITLED" || reason === "NO_IDENTITY";
}
