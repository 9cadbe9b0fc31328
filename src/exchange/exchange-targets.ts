import { invalidField } from "../domain/errors.ts";
import type { ExchangeTarget } from "../ports/exchange-target.ts";

/** Another system as the configuration names it, and who may be given its secrets. */
export type ConfiguredTarget = ExchangeTarget & {
  readonly name: string;
  /** What the step's entry has among its `exchange_audiences`, and the step was opened with. */
  readonly audience: string;
  /** Names of agents; absent: all whose entries have the audience. */
  readonly agents?: readonly string[];
  readonly ttlSecondsMax: number;
};

/** By name. */
export type ExchangeTargets = ReadonlyMap<string, ConfiguredTarget>;

/** @throws BrokerError INVALID_FIELD `target` */
export function targetNamed(name: string, targets: ExchangeTargets): ConfiguredTarget {
  const target = targets.get(name);
  if (target === undefined) throw invalidField("target", "the name of an exchange that the broker's configuration has");
  return target;
}
