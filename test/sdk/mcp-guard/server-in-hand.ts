import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, vi } from "vitest";
import { PULSE_MS } from "../../../src/sdk/mcp-guard/alive-answer.ts";
import type { Answer } from "../../../src/sdk/mcp-guard/answer.ts";

const TEN_MINUTES_MS = 600_000;

/** A server that hands its responses to the test. */
export async function serverInHand(): Promise<{ readonly url: string; next(): Promise<ServerResponse> }> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    async next() {
      const [, response] = (await once(server, "request")) as [unknown, ServerResponse];
      return response;
    },
  };
}

/** Reads an answer that has begun, on fake timers, for ten minutes in which it says nothing but that it is under way. */
export async function pulsesFor10Minutes(answered: Promise<Answer>) {
  await vi.advanceTimersByTimeAsync(PULSE_MS);
  const { status, headers, body } = await answered;
  expect([status, headers.get("content-type")]).toEqual([200, "text/event-stream"]);
  const reader = body instanceof ReadableStream ? body.getReader() : undefined;
  for (let heard = PULSE_MS; heard < TEN_MINUTES_MS; heard += PULSE_MS) {
    const read = reader?.read();
    await vi.advanceTimersByTimeAsync(PULSE_MS);
    expect(decode((await read)?.value)).toBe(":\n\n");
  }
  return reader;
}

export const decode = (chunk: Uint8Array | undefined) => new TextDecoder().decode(chunk);
