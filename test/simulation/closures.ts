import { closureAfter, closuresAfter, type StepClosure } from "../../src/close/closure.ts";
import { closureReceipt } from "../../src/close/closure-receipt.ts";
import { BrokerError } from "../../src/domain/errors.ts";
import type { OpenedStep } from "../../src/domain/step.ts";
import { issued } from "./agents.ts";
import { PLACES, READS_ANYWHERE } from "./cast.ts";
import { at, chosen, isProcess } from "./choose.ts";
import type { AskedClosure, EventOf } from "./events.ts";
import { note } from "./model-history.ts";
import { HANDED_OVER } from "./tokens.ts";
import type { Attendance, Watcher } from "./watcher.ts";
import type { World } from "./world.ts";

/** A step that ended, with the event that ended it. */
type Closed = { readonly stepId: string; readonly closedSequence: number };
type Opening = (event: EventOf<"open">) => Promise<OpenedStep | undefined>;

/** What was told of a close, and in which life of the broker. */
export type ToldClosure = { readonly closure: StepClosure; readonly life: number };

/** One who is told of a close until it is CLOSED. */
export type ClosureStream = {
  readonly life: number;
  readonly told: StepClosure[];
  readonly leaving: AbortController;
  isOver: boolean;
};

/** A verifier's process comes on the feed. */
export async function attend(world: World, one: Watcher, attendance: Attendance | undefined): Promise<void> {
  if (!world.isUp || attendance === undefined) return;
  const before = one.lastBroker;
  await one.watch(world.broker, world.life.ground, attendance);
  if (before !== undefined && one.isConnected && before !== one.broker) note(world.model, "changed over");
  if (one.isConnected) world.attended.add(one.verifier);
}

/** Those who want to know whether anybody still accepts what a step held. */
export function closureAskers(world: World, { open }: { readonly open: Opening }) {
  const { model, toldClosures, closureStreams, closureReceipts, watchers } = world;

  function chosenClose(which: number): Closed | undefined {
    const all = [...model.steps.values()].flatMap(({ step, closed }) =>
      closed === undefined ? [] : [{ stepId: step.stepId, closedSequence: closed.sequence }],
    );
    return at(all.slice(-6), which);
  }

  function told(closure: StepClosure, life: number): void {
    toldClosures.push({ closure, life });
    note(model, `closure ${closure.state}`);
    if (closure.verifiers.some(({ signed }) => signed !== undefined)) note(model, "closure signed");
  }

  async function asked({ stepId, closedSequence }: Closed, { stream, receipt }: AskedClosure): Promise<void> {
    // Nobody else waits for a receipt, which waits for a checkpoint.
    if (receipt) void receiptOf(stepId).catch(world.ground.failed);
    if (stream) return void follow(closedSequence).catch(world.ground.failed);
    const { lives: life, broker } = world;
    const closure = await closureAfter(closedSequence, broker.closurePorts);
    if (closure === undefined) throw new BrokerError("STEP_NOT_FOUND", "nothing was closed");
    told(closure, life);
  }

  async function receiptOf(stepId: string): Promise<void> {
    const { receiptPorts } = world.broker;
    const step = await world.ground.store.steps.step(stepId);
    if (receiptPorts === undefined || step === undefined) return;
    try {
      closureReceipts.push(await closureReceipt(step, receiptPorts));
      note(model, "closure receipt");
    } catch (thrown) {
      if (!(thrown instanceof BrokerError)) throw thrown;
    }
  }

  async function follow(closedSequence: number): Promise<void> {
    const { lives: life, broker } = world;
    const stream: ClosureStream = { life, told: [], leaving: new AbortController(), isOver: false };
    closureStreams.push(stream);
    try {
      for await (const closure of closuresAfter(closedSequence, stream.leaving.signal, broker.closurePorts)) {
        stream.told.push(closure);
        told(closure, life);
      }
      // A broker that shares the ledger, and does not know of the close yet, has nothing to tell.
      if (stream.told.length === 0 && !world.isCurrent()) throw new BrokerError("STEP_NOT_FOUND", "nothing was closed");
      stream.isOver = true;
    } catch (thrown) {
      // Whoever is refused asks again later.
      if (!(thrown instanceof BrokerError)) throw thrown;
      closureStreams.splice(closureStreams.indexOf(stream), 1);
    }
  }

  return {
    async closure({ close, ...how }: EventOf<"closure">): Promise<void> {
      const closed = chosenClose(close);
      if (closed !== undefined) await asked(closed, how);
    },
    async "end-watched"({ by, agent, run, place, attendances, ...how }: EventOf<"end-watched">): Promise<void> {
      const { isUp, broker, life, actor } = world;
      if (!isUp) return;
      await Promise.all(watchers.map((one, index) => attend(world, one, attendances[index])));
      const plain = { ...HANDED_OVER, executor: "fit", allowPartial: false, acceptPending: false } as const;
      const step = await open({ ...plain, by, agent, run, step: 4, grant: [READS_ANYWHERE] });
      if (step === undefined) return;
      await issued(world, 1, step, [{ kind: "jwt-svid", audiences: [chosen(PLACES, place)] }]);
      const { stepId, opener } = step;
      await broker.close(actor(1, isProcess(opener)), { stepId, outcome: "COMPLETED", awaitReceiptsMs: 0 });
      const { closedSequence } = (await life.ground.store.steps.step(stepId)) ?? {};
      if (closedSequence !== undefined) await asked({ stepId, closedSequence }, how);
    },
  };
}
