import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { isStintError } from "stint-sdk/runtime";
import { monotonicMs } from "./json-lines.ts";

export type McpAnswer = {
  /** HTTP status of the last answer; 0 for none. */
  readonly status: number;
  readonly text: string;
  /** What the server said of its refusal. */
  readonly reason: string;
  readonly challenge: string;
  readonly tookMs: number;
};

/** Calls one tool by a client of its own, and says what became of it. Never throws for a refusal. */
export async function callTool(call: {
  readonly resource: string;
  readonly tool: string;
  readonly arguments: Readonly<Record<string, unknown>>;
  readonly send: typeof fetch;
}): Promise<McpAnswer> {
  const seen = { status: 0, reason: "", challenge: "" };
  const watched: typeof fetch = async (input, init) => {
    const response = await call.send(input, init);
    // The client also asks, by GET, for a stream that neither it nor the server needs.
    if (init?.method !== "POST") return response;
    seen.status = response.status;
    seen.challenge = response.headers.get("www-authenticate") ?? "";
    if (!response.ok) seen.reason = reasonIn(await response.clone().text());
    return response;
  };
  const startedAtMs = monotonicMs();
  let text = "";
  const client = new Client({ name: "demo", version: "1.0.0" });
  try {
    await client.connect(new StreamableHTTPClientTransport(new URL(call.resource), { fetch: watched }));
    const { content } = await client.callTool({ name: call.tool, arguments: { ...call.arguments } });
    for (const part of content) if (part.type === "text") text += part.text;
  } catch (thrown) {
    if (seen.reason === "") seen.reason = isStintError(thrown) ? thrown.reason : reasonOf(thrown);
  } finally {
    await client.close().catch(() => undefined);
  }
  return { ...seen, text, tookMs: monotonicMs() - startedAtMs };
}

/** A `fetch` with this in its header `Authorization`, whoever the request goes to. */
export function bearing(authorization: string): typeof fetch {
  return (input, init) => {
    const headers = new Headers(init?.headers);
    headers.set("authorization", authorization);
    return fetch(input, { ...init, headers });
  };
}

function reasonIn(body: string): string {
  try {
    const { error } = JSON.parse(body) as { error?: { data?: { reason?: string } } };
    return error?.data?.reason ?? "";
  } catch {
    return "";
  }
}

function reasonOf(thrown: unknown): string {
  const data =
    thrown instanceof Error && "data" in thrown ? (thrown.data as { reason?: string } | undefined) : undefined;
  return data?.reason ?? (thrown instanceof Error ? thrown.message : String(thrown));
}
