import { LIMITS } from "../../src/domain/limits.ts";
import { DENIED_AFTER_EXPIRY_SECONDS } from "../../src/domain/revocation.ts";

/** What a site does. Steps end at random, each as likely in one second as in the next: their lengths are exponential. */
export type Load = {
  /** Opened, and closed, a second. */
  readonly stepsPerSecond: number;
  readonly openSteps: number;
  /** Processes that verify. */
  readonly verifiers: number;
  /** Of a JWT-SVID; a step has one from its opening on, and another each time that half of this is over. */
  readonly ttlSeconds: number;
};

/** The load of the question. */
export const INTERNET: Load = {
  stepsPerSecond: 10_000,
  openSteps: 1_000_000,
  verifiers: 100_000,
  ttlSeconds: LIMITS.jwtSvidTtlSecondsDefault,
};

/** One broker's part of a load that is spread evenly over so many; verifiers are divided too, each listening to one. */
export function shared(load: Load, brokers: number): Load {
  return {
    ...load,
    stepsPerSecond: load.stepsPerSecond / brokers,
    openSteps: load.openSteps / brokers,
    verifiers: load.verifiers / brokers,
  };
}

/** Little's law. */
export function stepSeconds({ openSteps, stepsPerSecond }: Load): number {
  return openSteps / stepsPerSecond;
}

/** Share of a credential's life after which its successor is asked for, as the SDK does. */
export const RENEWED_AT = 0.5;

/** Credentials of a step, its first included: one more each time that it outlives a renewal. */
export function credentialsPerStep(load: Load): number {
  return 1 + 1 / Math.expm1((RENEWED_AT * load.ttlSeconds) / stepSeconds(load));
}

/** decision.made, step.opened, step.held, step.closed. */
const EVENTS_BESIDE_CREDENTIALS = 4;

export function eventsPerStep(load: Load): number {
  return EVENTS_BESIDE_CREDENTIALS + credentialsPerStep(load);
}

/** How much of its newest credential's life is left when a step ends, on the average. */
export function lifeLeftSeconds(load: Load): number {
  const mean = stepSeconds(load);
  const half = RENEWED_AT * load.ttlSeconds;
  return load.ttlSeconds - (mean - half / Math.expm1(half / mean));
}

/** How often each looks for what may be forgotten: a denial stays for as long at most. */
const BROKER_SWEEP_SECONDS = 60;
export const VERIFIER_SWEEP_SECONDS = 30;

/** Denials that a list of all has at most, right before it is swept. */
function denialsAtMost(load: Load, sweepSeconds: number): number {
  return load.stepsPerSecond * (lifeLeftSeconds(load) + DENIED_AFTER_EXPIRY_SECONDS + sweepSeconds);
}

export const brokerDenials = (load: Load): number => denialsAtMost(load, BROKER_SWEEP_SECONDS);

/** Of a verifier that is told of all that ends at one broker. */
export const verifierDenials = (load: Load): number => denialsAtMost(load, VERIFIER_SWEEP_SECONDS);
