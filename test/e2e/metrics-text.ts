import type { Daemon } from "../daemon.ts";

export async function scrape(daemon: Daemon): Promise<string> {
  const { operations } = daemon.log.find(({ msg }) => msg === "serving") ?? {};
  const answer = await fetch(`${String(operations)}/metrics`);
  if (answer.status !== 200) throw new Error(`status ${answer.status}`);
  return answer.text();
}

const HEADER = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/;
const LABELS = String.raw`\{[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"(?:,[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*")*\}`;
const SAMPLE = new RegExp(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(${LABELS})? ([-+]?(?:[0-9.]+(?:e[-+]?[0-9]+)?|Inf)|NaN|Nan)$`);
const TYPES = new Set(["counter", "gauge", "histogram", "summary", "untyped"]);

/**
 * Parses the text format of Prometheus, and throws at whatever Prometheus would: a line of no known form, a sample
 * whose metric was not announced, a sample that occurs twice. A counter that is ours has to be named as one.
 *
 * @returns values by metric and labels, as they stand in the text.
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/
 */
export function parseMetrics(text: string): ReadonlyMap<string, number> {
  const types = new Map<string, string>();
  const samples = new Map<string, number>();
  if (!text.endsWith("\n")) throw new Error("the last line does not end");
  for (const line of text.split("\n").filter((one) => one !== "")) {
    const [, what, header = "", rest = ""] = HEADER.exec(line) ?? [];
    if (what === "TYPE") {
      if (types.has(header) || !TYPES.has(rest)) throw new Error(`a type that can't be: ${line}`);
      const isNamedCounter = header.endsWith("_total");
      if (header.startsWith("stint_") && isNamedCounter !== (rest === "counter")) throw new Error(`misnamed: ${line}`);
      types.set(header, rest);
    } else if (what === undefined) {
      const [, name = "", labels = "", value = ""] = SAMPLE.exec(line) ?? [];
      const announced = types.has(name) || types.get(name.replace(/_(bucket|sum|count)$/, "")) === "histogram";
      if (!announced) throw new Error(`not announced, or no sample: ${line}`);
      if (samples.has(name + labels)) throw new Error(`twice: ${line}`);
      samples.set(name + labels, Number(value.replace(/^([-+]?)Inf$/, "$1Infinity")));
    }
  }
  return samples;
}
