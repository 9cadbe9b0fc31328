import type { UsageReported } from "../../src/domain/ledger-event.ts";
import type { Usage } from "../../src/domain/usage.ts";
import { type History, note, promise } from "./model-history.ts";

/** What the events say of calls that verifiers reported. */
export type ModelUsage = {
  /** By `usageKey`, what was reported last. */
  readonly reported: ReadonlyMap<string, Usage & { readonly entryId: string }>;
  /** Calls that were left out, by entry. */
  readonly gaps: ReadonlyMap<string, number>;
  take(event: UsageReported): void;
};

/** Calls of one kind, by one verifier. */
export function usageKey(entryId: string, { stepId, tool, action, outcome }: Omit<Usage, "calls">): string {
  return [entryId, stepId, tool, action, outcome].join(" ");
}

export function createModelUsage(history: History): ModelUsage {
  const { steps, credentials, entries } = history;
  const reported = new Map<string, Usage & { readonly entryId: string }>();
  const gaps = new Map<string, number>();

  return {
    reported,
    gaps,
    take({ entryId, usages, gap }) {
      const content = entries.get(entryId)?.content;
      promise(content?.kind === "verifier", "usage is reported by a verifier");
      promise(gap >= (gaps.get(entryId) ?? 0), "what was left out stays left out");
      gaps.set(entryId, gap);
      for (const usage of usages) {
        const { stepId, calls } = usage;
        const shown = [...credentials.values()].filter(
          (one) => one.stepId === stepId && one.record.audiences.some((place) => content.audiences.includes(place)),
        );
        promise(shown.length > 0, "a verifier reports of steps alone whose credentials it could be shown");
        const key = usageKey(entryId, usage);
        promise(calls > (reported.get(key)?.calls ?? 0), "what is reported comes on top of what was");
        reported.set(key, { ...usage, entryId });
        if (steps.get(stepId)?.closed !== undefined) note(history, "reported late");
      }
    },
  };
}
