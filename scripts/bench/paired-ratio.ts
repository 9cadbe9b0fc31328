/**
 * Which of two values is the better one: the larger of rates, the smaller of times and sizes. A ratio is turned so that above 1
 * always means that `head` is better.
 */
export type Better = "more" | "less";

export type PairedRatio = { readonly ratio: number; readonly low: number; readonly high: number };

/** Of the interval. */
const CONFIDENCE = 0.95;

/**
 * How much better `head` is than `base`, from values measured in pairs: the geometric mean of the pairs' ratios, with a 95 %
 * interval by Student's t. Taken on the logarithm, where twice as fast and half as fast are equally far from no difference.
 *
 * @param base - one value a round, positive.
 * @param head - of the same rounds, in the same order.
 * @returns NaN throughout when one of the values is not positive: a ratio of such values says nothing.
 * @throws Error for fewer than two rounds, and for rounds that do not pair up
 */
export function pairedRatio(base: readonly number[], head: readonly number[], better: Better): PairedRatio {
  if (base.length !== head.length || base.length < 2) throw new Error("a ratio takes two rounds or more, in pairs");
  const direction = better === "more" ? 1 : -1;
  const logs = base.map((one, round) => direction * Math.log((head[round] ?? Number.NaN) / one));
  if (!logs.every(Number.isFinite)) return { ratio: Number.NaN, low: Number.NaN, high: Number.NaN };
  const center = mean(logs);
  const variance = logs.reduce((sum, one) => sum + (one - center) ** 2, 0) / (logs.length - 1);
  const margin = studentT(CONFIDENCE, logs.length - 1) * Math.sqrt(variance / logs.length);
  return { ratio: Math.exp(center), low: Math.exp(center - margin), high: Math.exp(center + margin) };
}

/**
 * Where an interval lies with respect to a threshold: `above` and `below` are shown by the measurement, and between them it
 * allows for both. `unknown` where there is no interval.
 */
export function standing({ low, high }: PairedRatio, threshold: number): "above" | "reached" | "below" | "unknown" {
  if (Number.isNaN(low) || Number.isNaN(high)) return "unknown";
  if (high < threshold) return "below";
  return low < threshold ? "reached" : "above";
}

/**
 * The t that a Student's t of so many degrees of freedom stays within, either way, with this probability: 12.706 for 0.95 and 1.
 *
 * @param degreesOfFreedom - a whole number from 1 on.
 */
export function studentT(probability: number, degreesOfFreedom: number): number {
  let low = 0;
  let high = 1;
  while (probabilityWithin(high, degreesOfFreedom) < probability) high *= 2;
  // Each turn halves the interval; after these a double has no digits left to gain.
  const TURNS = 60;
  for (let turn = 0; turn < TURNS; turn += 1) {
    const middle = (low + high) / 2;
    if (probabilityWithin(middle, degreesOfFreedom) < probability) low = middle;
    else high = middle;
  }
  return high;
}

/** @see Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4 */
function probabilityWithin(t: number, degreesOfFreedom: number): number {
  const angle = Math.atan(t / Math.sqrt(degreesOfFreedom));
  const isOdd = degreesOfFreedom % 2 === 1;
  let term = isOdd ? Math.cos(angle) : 1;
  let sum = degreesOfFreedom === 1 ? 0 : term;
  for (let power = isOdd ? 3 : 2; power <= degreesOfFreedom - 2; power += 2) {
    term *= ((power - 1) / power) * Math.cos(angle) ** 2;
    sum += term;
  }
  return isOdd ? (2 / Math.PI) * (angle + Math.sin(angle) * sum) : Math.sin(angle) * sum;
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, one) => sum + one, 0) / values.length;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  const upper = sorted[half] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] ?? Number.NaN) + upper) / 2;
}
