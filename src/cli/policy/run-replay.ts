import type { UnixMicros } from "../../domain/time.ts";
import type { Policies, PoliciesReplayRequest, PolicyFlip } from "../../gen/stint/v1/policies_pb.js";
import type { ClientOf } from "../../wire/client.ts";
import { timestampOfMicros } from "../../wire/timestamps.ts";
import { EXIT, Failure } from "../failure.ts";
import { formatFinding } from "../output/policy-view.ts";
import { createProgressBar } from "../output/progress-bar.ts";
import type { Session } from "../session.ts";
import type { FilePart } from "./file-parts.ts";
import { createFlipCounts, type FlipCount } from "./flip-counts.ts";

/** What was replayed, in numbers. */
export type Replayed = {
  readonly decisions: number;
  /** Decisions that could not be decided again. */
  readonly skipped: number;
  readonly flips: number;
  /** By agent and tool. */
  readonly counts: readonly FlipCount[];
};

type Candidate = readonly FilePart[] | Pick<PoliciesReplayRequest, "version">;

/**
 * Has the broker decide again what it decided, with a bar on a terminal.
 *
 * @param since - milliseconds since 1970.
 * @param onFlip - is given each decision that would be another.
 * @throws Failure for policies with findings, which it names; CallError
 */
export async function runReplay(
  { context }: Session,
  { replay }: ClientOf<typeof Policies>,
  what: { readonly candidate: Candidate; readonly since: number; readonly agent?: string | undefined },
  onFlip: (flip: PolicyFlip) => Promise<void>,
): Promise<Replayed> {
  const { candidate, since, agent = "" } = what;
  const call = replay();
  const filter = { since: timestampOfMicros((since * 1_000) as UnixMicros), agent };
  const parts = "version" in candidate ? [{ version: candidate.version ?? 0 }] : (candidate as readonly FilePart[]);
  for (const part of parts) call.send({ ...part, ...filter });
  call.end();
  const bar = createProgressBar(context.err);
  const counts = createFlipCounts();
  const findings: string[] = [];
  const replayed = { decisions: 0, skipped: 0, flips: 0 };
  try {
    for await (const { message } of call.responses) {
      if (message.case === "finding") findings.push(formatFinding(message.value));
      else if (message.case === "progress") {
        replayed.decisions = Number(message.value.decisions);
        replayed.skipped = Number(message.value.skipped);
        bar.show(message.value.permille / 1_000, `${replayed.decisions} decisions, ${replayed.flips} would be others`);
      } else if (message.case === "flip") {
        replayed.flips += 1;
        counts.add(message.value);
        await onFlip(message.value);
      }
    }
  } finally {
    bar.clear();
  }
  if (findings.length > 0)
    throw new Failure(`the policies can't be used:\n${findings.join("").trimEnd()}`, EXIT.refused);
  return { ...replayed, counts: counts.rows() };
}
