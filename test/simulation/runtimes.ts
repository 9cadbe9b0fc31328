import { BrokerError } from "../../src/domain/errors.ts";
import { parseSegment } from "../../src/domain/spiffe-id.ts";
import { type OpenedStep, permits } from "../../src/domain/step.ts";
import { addSeconds, secondsOf } from "../../src/domain/time.ts";
import type { SvidWanted } from "../../src/issue/entitle.ts";
import { CSR, noted } from "./agents.ts";
import {
  AUDIENCES,
  chosenOf,
  countedBy,
  ELEMENTS,
  MORE_AUDIENCES,
  PRINCIPALS,
  READS_INSIDE,
  READS_PUBLIC,
  RECEIVERS,
  WRITES_OUTWARD,
} from "./cast.ts";
import { at, chosen, isApt, isIn, isProcess } from "./choose.ts";
import type { EventOf } from "./events.ts";
import type { SimulatedProcess } from "./kernel.ts";
import { type DelegationToken, HANDED_OVER, parentNamed } from "./tokens.ts";
import type { World } from "./world.ts";

const OUTCOMES = ["COMPLETED", "FAILED", "CANCELLED"] as const;

/** What a process that opens a step for itself wants with it: a certificate, a token, or one that it may be refused. */
function firstOnes({ step, audiences }: EventOf<"open">): readonly SvidWanted[] {
  const token = { kind: "jwt-svid", audiences: [chosenOf(MORE_AUDIENCES, audiences)[0] ?? AUDIENCES[1]] } as const;
  return step === 0 ? [token] : [{ kind: "x509-svid", csr: CSR }, token];
}

/** Those who open steps, and do with their steps what an opener does. */
export function runtimes(world: World) {
  const { model, clock, processes, holds, tokens, actor, guarded } = world;

  const openOnes = () => [...model.steps.values()].flatMap(({ step, state }) => (state === "OPEN" ? [step] : []));

  function executorOf(wanted: EventOf<"open">["executor"], by: SimulatedProcess, agent: number) {
    if (wanted === "self" || wanted === "any") return { kind: wanted };
    if (typeof wanted === "number") return { kind: "pid", pid: chosen(processes, wanted).process.pid } as const;
    const executor = by.uid === agent + 1 ? undefined : actor(1, isIn(agent + 1));
    return executor === undefined ? ({ kind: "self" } as const) : ({ kind: "pid", pid: executor.process.pid } as const);
  }

  /** Who may well open it: by a token its receiver, a child whoever opened its parent, else who opens for the agent. */
  function openers(agent: number, parent: OpenedStep | undefined, token: DelegationToken | undefined) {
    if (token !== undefined) return isIn(token.uid);
    return parent === undefined ? isIn(agent === 0 ? 1 : 12, 11) : isProcess(parent.opener);
  }

  /** By a token of the newest few, since older ones have expired; or below a step, or neither. */
  function openAnyhow(event: EventOf<"open">): Promise<OpenedStep | undefined> {
    const token = at(tokens.slice(-3), event.token);
    const parent = token?.step ?? at(isApt(event.by) ? openOnes() : world.steps(), event.under);
    return open(event, { token, parent });
  }

  async function open(
    event: EventOf<"open">,
    { token, parent }: { readonly token?: DelegationToken | undefined; readonly parent?: OpenedStep | undefined } = {},
  ): Promise<OpenedStep | undefined> {
    // By a token, mostly what the token is good for.
    const isFit = token !== undefined && isApt(event.by);
    const agent = isFit ? 1 : event.agent % 2;
    const among = isFit && !event.allowPartial ? token.grant : ELEMENTS;
    const by = actor(event.by, openers(agent, parent, token));
    const now = secondsOf(clock.now());
    // Runs of the opener's own, and one that all want.
    const run = event.run === 2 ? "shared" : `${by.uid}-${event.run}`;
    const executor = executorOf(event.executor, by, agent);
    const wanted = executor.kind === "self" ? firstOnes(event) : [];
    const opened = await guarded(() =>
      world.broker.openWith(
        by,
        {
          runId: parent === undefined || event.run < 2 ? parseSegment(`run-${run}`, "run_id") : parent.runId,
          step: parseSegment(`step-${event.step}`, "step"),
          agent: parseSegment(`agent-${agent}`, "agent"),
          grant: countedBy(chosenOf(among, event.grant), event.calls),
          audiences: chosenOf(MORE_AUDIENCES, event.audiences),
          executor,
          allowPartial: event.allowPartial,
          ...(event.acceptPending ? { acceptPending: true } : {}),
          ...(event.attempt === undefined ? {} : { attempt: event.attempt }),
          ...parentNamed(parent, token),
          ...(event.principal === undefined ? {} : { principalToken: chosen(PRINCIPALS, event.principal).sub }),
          ...(event.expiresInSeconds === undefined ? {} : { expiresAt: addSeconds(now, event.expiresInSeconds) }),
          ...(event.leaseSeconds === undefined ? {} : { leaseSeconds: event.leaseSeconds }),
          ...(event.requestId === undefined ? {} : { requestId: `request-${event.requestId}` }),
        },
        wanted,
      ),
    );
    noted(world, by, opened?.svids ?? []);
    const { stepId, approval } = opened?.step ?? {};
    if (stepId === undefined || approval === undefined) return opened?.step;
    const { requestDigest } = approval;
    const approve = () => world.broker.approve(actor(1, isIn(31)), { stepId, requestDigest, reason: "simulated" });
    await Promise.all(Array.from({ length: event.approvals }, approve));
    return opened?.step;
  }

  async function delegate(event: EventOf<"delegate">): Promise<void> {
    const step = at(isApt(event.by) ? openOnes() : world.steps(), event.step);
    const receiver = RECEIVERS[event.to];
    if (step === undefined || receiver === undefined) return;
    const { stepId } = step;
    const runtime = parseSegment(receiver.runtime, "runtime");
    const grant = event.grant === undefined ? {} : { grant: chosenOf(ELEMENTS, event.grant) };
    const by = actor(event.by, isProcess(step.opener));
    const delivery = await guarded(() => world.broker.delegate(by, { stepId, runtime, uses: event.uses, ...grant }));
    if (delivery === undefined) return;
    const text = Buffer.from(delivery.svid).toString("latin1");
    const token = { text, step, uid: receiver.uid, grant: grant.grant ?? step.grant };
    tokens.push(token);
    const tries = Array.from({ length: event.tries }, (_, index) =>
      open({ ...HANDED_OVER, step: index }, { token, parent: step }),
    );
    const refusals = (await Promise.allSettled(tries)).flatMap((one) =>
      one.status === "rejected" ? [one.reason] : [],
    );
    const fault = refusals.find((one) => !(one instanceof BrokerError)) ?? refusals[0];
    if (fault !== undefined) throw fault;
  }

  async function taint({ by, agent, runs, principal }: EventOf<"taint">): Promise<void> {
    const plain = {
      ...HANDED_OVER,
      by,
      agent,
      principal,
      executor: "fit",
      allowPartial: false,
      acceptPending: false,
    } as const;
    if (runs === "connected") {
      const parent = await open({ ...plain, run: 1, step: 2, grant: [READS_PUBLIC] });
      if (parent !== undefined) await open({ ...plain, run: 0, step: 2, grant: [READS_PUBLIC] }, { parent });
    }
    await open({ ...plain, run: 0, step: 0, grant: [WRITES_OUTWARD] });
    await open({ ...plain, run: runs === "one" ? 0 : 1, step: 1, grant: [READS_INSIDE] });
  }

  return {
    taint,
    open: openAnyhow,
    delegate,
    async close(event: EventOf<"close">): Promise<void> {
      const step = at(world.steps(), event.step);
      if (step === undefined) return;
      const { stepId } = step;
      const outcome = OUTCOMES[event.outcome] ?? "COMPLETED";
      await world.broker.close(actor(event.by, isProcess(step.opener)), { stepId, outcome, awaitReceiptsMs: 0 });
    },
    async renew(event: EventOf<"renew">): Promise<void> {
      const step = at(world.steps(), event.step);
      if (step === undefined) return;
      await world.broker.renew(actor(event.by, isProcess(step.opener)), step.stepId);
    },
    async hold(event: EventOf<"hold">): Promise<void> {
      const step = at(world.steps(), event.step);
      if (step === undefined) return;
      const held = await world.broker.hold(actor(event.by, isProcess(step.opener)), step.stepId);
      const { access, release } = held;
      // One that ended meanwhile is shown as it is.
      if (access.asOpener && permits(held.step.state)) holds.set(release, step.stepId);
    },
    release(event: EventOf<"release">): void {
      const release = at([...holds.keys()], event.hold);
      if (release === undefined) return;
      holds.delete(release);
      release();
    },
  };
}
