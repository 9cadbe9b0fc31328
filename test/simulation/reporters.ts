import type { ReportedUsage } from "../../src/check/report-usage.ts";
import { USAGE_OUTCOMES } from "../../src/domain/usage.ts";
import { ELEMENTS, PLACES } from "./cast.ts";
import { at, chosen, isApt, isIn } from "./choose.ts";
import type { EventOf } from "./events.ts";
import type { SimulatedProcess } from "./kernel.ts";
import { note } from "./model-history.ts";
import { isUnanswered } from "./sites.ts";
import type { World } from "./world.ts";

/** What a verifier said of calls, and what became of that in each life of the broker. */
export type SentReport = {
  readonly reportId: string;
  readonly usages: readonly ReportedUsage[];
  readonly gap: number;
  /** `open`: whoever reported was not told. A report that is refused is not on record. */
  readonly lives: Map<number, "open" | "recorded" | "refused">;
  /** How often nobody could know what became of it. */
  unanswered: number;
};

/** Sends a report, and notes what became of it. */
export async function sendReport({ lives: life, broker, model }: World, by: SimulatedProcess, report: SentReport) {
  const { lives, unanswered: _, ...said } = report;
  if (lives.get(life) === "recorded") note(model, "reported again");
  else lives.set(life, "open");
  try {
    await broker.report(by, said);
    lives.set(life, "recorded");
  } catch (thrown) {
    if (lives.get(life) === "open") lives.set(life, "refused");
    if (isUnanswered(thrown)) report.unanswered += 1;
    throw thrown;
  }
}

/** Those who tell what became of calls. */
export function reporters(world: World) {
  const { delivered, reports, model } = world;
  const places: readonly string[] = PLACES;

  function usageOf(
    { credential, tool, outcome, calls }: EventOf<"report">["usages"][number],
    by: number,
  ): ReportedUsage | undefined {
    const names = delivered.flatMap(({ delivery }) => {
      const { record } = model.credentials.get(delivery.issuanceId) ?? {};
      const isShown = record?.audiences.some((one) => places.includes(one)) === true && record.jti !== undefined;
      // A certificate has no such name: nobody knows what is reported.
      return record === undefined || (isApt(by) && !isShown) ? [] : [record.jti ?? record.issuanceId];
    });
    const jti = at(names, credential);
    const { identifier, actions } = chosen(ELEMENTS, tool);
    const action = at(actions, credential) ?? "read";
    return jti === undefined
      ? undefined
      : { jti, tool: identifier, action, outcome: chosen(USAGE_OUTCOMES, outcome), calls };
  }

  function reportOf({ usages, gap, by, again }: EventOf<"report">): SentReport | undefined {
    const before = at(reports, again);
    if (before !== undefined) return before;
    const said = usages.flatMap((one) => usageOf(one, by) ?? []);
    if (said.length === 0) return undefined;
    const report = { reportId: `report-${reports.length}`, usages: said, gap, lives: new Map(), unanswered: 0 };
    reports.push(report);
    return report;
  }

  return {
    async report(event: EventOf<"report">): Promise<void> {
      const report = reportOf(event);
      if (report === undefined) return;
      const sent = await Promise.allSettled(
        Array.from({ length: event.times }, () => sendReport(world, world.actor(event.by, isIn(21)), report)),
      );
      for (const one of sent) if (one.status === "rejected") throw one.reason;
    },
  };
}
