import type { CallAnswer } from "../../src/check/answer-denials.ts";
import { sha256Hex } from "../../src/domain/digest.ts";
import { BrokerError } from "../../src/domain/errors.ts";
import type { OpenedStep } from "../../src/domain/step.ts";
import { issued } from "./agents.ts";
import { answerCall } from "./approvers.ts";
import { ask, requestWith } from "./ask.ts";
import { ELEMENTS, PLACES, READS_INSIDE, WITH_MORE_APPROVALS } from "./cast.ts";
import { chosen, isIn, isProcess } from "./choose.ts";
import type { EventOf } from "./events.ts";
import { HANDED_OVER } from "./tokens.ts";
import type { Delivered, World } from "./world.ts";

/** Longer than an approved call may be made. */
const LAPSES_AFTER_MS = 61_000;

type Parties = {
  readonly open: (event: EventOf<"open">) => Promise<OpenedStep | undefined>;
  readonly policies: (event: EventOf<"policies">) => Promise<void>;
};

/** One call that policies hold back, from its step's opening to its being made again. */
export function heldCalls(world: World, { open, policies }: Parties) {
  const { actor } = world;

  async function tokenOf(step: OpenedStep): Promise<Delivered | undefined> {
    const [token] = await issued(world, 1, step, [{ kind: "jwt-svid", audiences: [PLACES[0]] }]);
    return token;
  }

  async function made(by: Delivered | undefined, digest: number, times: number): Promise<(CallAnswer | undefined)[]> {
    if (by === undefined) return [];
    const own = { argumentsSha256: argumentsOf(digest), acceptPending: true };
    const request = requestWith(by.delivery.svid, chosen(ELEMENTS, READS_INSIDE), PLACES[0], own);
    return Promise.all(Array.from({ length: times }, () => ask(world, actor(1, isIn(21)), request)));
  }

  /** What happens after the answer and before the call is made again. */
  async function happening(between: EventOf<"held-call">["between"], { stepId, opener }: OpenedStep): Promise<void> {
    if (between === "close") {
      const closing = { stepId, outcome: "COMPLETED", awaitReceiptsMs: 0 } as const;
      await world.broker.close(actor(1, isProcess(opener)), closing);
    }
    if (between === "lapse") world.clock.advance(LAPSES_AFTER_MS);
    if (between === "policies") await policies({ kind: "policies", set: WITH_MORE_APPROVALS });
  }

  return {
    async "held-call"(event: EventOf<"held-call">): Promise<void> {
      const { by, agent, run, answer, between } = event;
      if (event.policies !== undefined) await policies({ kind: "policies", set: event.policies });
      const plain = { ...HANDED_OVER, executor: "fit", allowPartial: false, acceptPending: false } as const;
      const step = await open({ ...plain, by, agent, run, step: 3, grant: [READS_INSIDE] });
      const token = step && (await tokenOf(step));
      if (step === undefined || token === undefined) return;
      const waits = (await made(token, 0, event.times)).find((one) => one?.effect === "deny" && one.pending);
      if (waits?.effect !== "deny" || waits.pending === undefined || answer === undefined) return;
      const { approvalId } = waits.pending;
      const answering = () => answerCall(world, { kind: answer, by: actor(1, isIn(31)), approvalId });
      // Of answers at one time one counts, and the others are refused.
      const answered = await Promise.allSettled(Array.from({ length: event.answers }, answering));
      for (const one of answered) {
        if (one.status === "rejected" && !(one.reason instanceof BrokerError)) throw one.reason;
      }
      await happening(between, step);
      const next = between === "lapse" ? await tokenOf(step) : token;
      await made(next, between === "other" ? 1 : 0, event.again);
    },
  };
}

/** The digest of one of some arguments. */
export function argumentsOf(which: number): string {
  return sha256Hex(`arguments ${which}`);
}
