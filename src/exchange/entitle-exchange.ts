import { type DenialRecorder, isDecision } from "../decide/record-denial.ts";
import { BrokerError, denialFrom, errorOf, invalidField, isDenial } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import { type AgentEntry, isOfKind } from "../domain/registration-entry.ts";
import type { Attested, Entitled } from "../domain/stages.ts";
import type { Step } from "../domain/step.ts";
import { addSeconds, secondsOf, type UnixSeconds } from "../domain/time.ts";
import { type EntitlePorts, entitle, onlyAnswer, recordDenial } from "../issue/entitle.ts";
import { type ConfiguredTarget, type ExchangeTargets, targetNamed } from "./exchange-targets.ts";

/** A secret that is wanted of another system, for one step. */
export type SecretOrder = {
  readonly stepId: string;
  /** The name of the other system. */
  readonly target: string;
  /** 1 to 128 characters; the same again never gives a second secret. */
  readonly requestId: string;
};

export type EntitleExchangePorts = EntitlePorts & {
  readonly targets: ExchangeTargets;
  readonly denials: DenialRecorder;
};

/** A caller that may be given a secret of this target. */
export type EntitledExchange = {
  readonly entitled: Entitled;
  readonly step: Step;
  readonly target: ConfiguredTarget;
  /** The secret is to end by then. */
  readonly expiresAt: UnixSeconds;
};

/**
 * Whether the caller may be given a secret of another system: as one who may be issued a JWT-SVID of the step for the
 * target's audience, where the entry of the step's agent says that tokens for this audience are traded.
 *
 * @throws BrokerError INVALID_FIELD `target`, `request_id`; STEP_NOT_FOUND, STEP_CLOSED, STEP_EXPIRING, NOT_ENTITLED,
 *   AUDIENCE_INVALID, EXECUTOR_GONE, LIMIT_EXCEEDED, and the gate's refusal
 */
export async function entitleExchange(
  caller: Attested,
  order: SecretOrder,
  ports: EntitleExchangePorts,
): Promise<EntitledExchange> {
  const { requestId } = order;
  if (requestId === "" || Buffer.byteLength(requestId) > LIMITS.requestIdBytesMax) {
    throw invalidField("request_id", `1 to ${LIMITS.requestIdBytesMax} bytes`);
  }
  const target = targetNamed(order.target, ports.targets);
  const wanted = { kind: "jwt-svid", audiences: [target.audience] } as const;
  const entitled = onlyAnswer(await entitle(caller, { stepId: order.stepId, wanted: [wanted] }, ports));
  if (isDenial(entitled)) throw errorOf(entitled);
  const { step } = entitled;
  if (step === undefined) throw new TypeError("what a step is entitled to has a step");
  try {
    checkMayExchange(caller, step, target);
    return { entitled, step, target, expiresAt: endOf(step, target, secondsOf(ports.clock.now())) };
  } catch (thrown) {
    const refused = denialFrom(thrown);
    if (isDecision(refused.code)) await recordDenial(caller, step, [], refused, ports);
    throw thrown;
  }
}

function checkMayExchange(caller: Attested, step: Step, { name, audience, agents }: ConfiguredTarget): void {
  const entry = caller.entries.find(({ entryId }) => entryId === step.agentEntryId);
  const isTraded = entry !== undefined && isOfKind(entry, "agent") && trades(entry, audience);
  if (!isTraded) {
    throw new BrokerError("NOT_ENTITLED", "the agent's entry has the audience not among its exchange_audiences");
  }
  if (agents !== undefined && !agents.includes(step.agent)) {
    throw new BrokerError("NOT_ENTITLED", `secrets of ${name} are for other agents`);
  }
}

function trades({ content }: AgentEntry, audience: string): boolean {
  return content.exchangeAudiences.includes(audience);
}

function endOf({ expiresAt }: Step, { name, ttlSecondsMax, secondsMin }: ConfiguredTarget, now: UnixSeconds) {
  const end = Math.min(expiresAt, addSeconds(now, ttlSecondsMax)) as UnixSeconds;
  const needed = Math.max(secondsMin, LIMITS.svidTtlSecondsMin);
  // Written as "not enough" rather than "too little", so that a NaN is refused.
  if (end - now >= needed) return end;
  throw new BrokerError("STEP_EXPIRING", `a secret of ${name} lives ${needed} s at least, and the step has less left`);
}
