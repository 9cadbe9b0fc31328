import { onTestFinished, vi } from "vitest";
import type { ToolSettings } from "../../../src/sdk/adapters/index.ts";
import { currentStep, type Grant } from "../../../src/sdk/runtime/index.ts";
import { loopback } from "../runtime/loopback.ts";
import { scriptedBroker } from "../runtime/scripted-broker.ts";

const MINUTES = 60_000;
/** Of a token. */
const TTL_SECONDS = 120;

/** Time that passes when a test says so; what the sockets do is real. */
export function virtualTime(): void {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
  onTestFinished(() => void vi.useRealTimers());
}

/** A broker whose tokens live two minutes, and settings for a tool that is given a quarter of an hour. */
export async function longSettings(tool: string, location: string) {
  const broker = await scriptedBroker({ ttl: TTL_SECONDS });
  const grant: Grant = [
    { type: "mcp_tool", locations: [location], identifier: tool, actions: ["read"], datatypes: ["internal"] },
  ];
  const calls = { [tool]: () => ({ grant, expiresAt: new Date(Date.now() + 15 * MINUTES) }) };
  const settings: ToolSettings = { calls, run: { opener: broker.stint(), runId: "long" } };
  return { broker, settings };
}

/**
 * Ten minutes of a tool that asks its server every minute, in virtual time.
 *
 * @returns `work` for the tool, and how old the token of each request was, in milliseconds.
 */
export async function tenMinutesOfWork(tool: string) {
  virtualTime();
  const ages: number[] = [];
  const begun = new Map<string, number>();
  let isRefused = false;
  const origin = await loopback(async ({ headers }, response) => {
    const token = String(headers.authorization);
    if (!begun.has(token)) begun.set(token, Date.now());
    ages.push(Date.now() - (begun.get(token) ?? 0));
    // Once in the middle, as by a server whose keys or clock have changed.
    const refuses = !isRefused && ages.length === 5;
    isRefused ||= refuses;
    response.writeHead(refuses ? 401 : 200).end("found");
  });
  const { broker, settings } = await longSettings(tool, origin);
  return {
    broker,
    settings,
    ages,
    async work(): Promise<string> {
      for (let minute = 0; minute < 10; minute += 1) {
        const response = await currentStep()?.fetch(origin);
        if (response?.status !== 200) return `failed in minute ${minute}`;
        await response.text();
        await vi.advanceTimersByTimeAsync(MINUTES);
      }
      return "ten minutes";
    },
  };
}
