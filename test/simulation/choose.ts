import { type ProcessIdentity, sameProcess } from "../../src/domain/process.ts";
import type { SimulatedProcess } from "./kernel.ts";

/* How the numbers of an event choose among what there is. */

export function at<Value>(list: readonly Value[], which: number | undefined): Value | undefined {
  return which === undefined ? undefined : list[which % Math.max(1, list.length)];
}

export function chosen<Value>(list: readonly Value[], which: number): Value {
  const value = at(list, which);
  if (value === undefined) throw new TypeError("nothing to choose from");
  return value;
}

/** Whether an event is to be done by, or with, somebody who may well do it. */
export function isApt(by: number): boolean {
  return by % 4 !== 0;
}

type Fits = (one: SimulatedProcess) => boolean;

export function isIn(...users: readonly number[]): Fits {
  return ({ uid }) => users.includes(uid);
}

export function isProcess(process: ProcessIdentity): Fits {
  return (one) => sameProcess(one.process, process);
}
