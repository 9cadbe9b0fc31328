import { isInitializeRequest, WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/server";
import { SESSION_HEADER } from "../sdk/mcp-guard/forwarded-request.ts";
import type { Upstream } from "./guard-config.ts";
import { type ProcessSession, startProcessSession } from "./process-session.ts";
import { UpstreamFailure } from "./upstream-failure.ts";

/** A server that speaks over standard input and output: a process for each session, so that no two steps share its state. */
export type ProcessUpstream = {
  /** @throws UpstreamFailure UPSTREAM_UNREACHABLE, PROCESSES_EXHAUSTED; and what `environment` throws */
  serve(request: Request, body: unknown): Promise<Response>;
  endSession(id: string): void;
  close(): void;
};

/**
 * @param environment - of a process that is about to be started.
 * @param said - told what a process says beside its messages.
 */
export function createProcessUpstream(
  upstream: Extract<Upstream, { kind: "process" }>,
  environment: () => Promise<Readonly<Record<string, string>>>,
  said: (line: string) => void,
): ProcessUpstream {
  const sessions = new Map<string, ProcessSession>();
  let processes = 0;

  async function begin(request: Request, body: unknown): Promise<Response> {
    if (processes >= upstream.processesMax) {
      throw new UpstreamFailure(
        "PROCESSES_EXHAUSTED",
        `there are ${processes} processes of the server, as many as may be`,
      );
    }
    processes += 1;
    let session: ProcessSession;
    try {
      session = await startProcessSession(upstream, {
        environment: await environment(),
        said,
        ended() {
          processes -= 1;
          const id = session.id();
          if (id !== undefined) sessions.delete(id);
        },
      });
    } catch (thrown) {
      processes -= 1;
      throw thrown;
    }
    const response = await session.serve(request, body);
    const id = session.id();
    if (id === undefined) session.end();
    else sessions.set(id, session);
    return response;
  }

  return {
    async serve(request, body) {
      const session = sessions.get(request.headers.get(SESSION_HEADER) ?? "");
      if (session !== undefined) return session.serve(request, body);
      if (isInitializeRequest(body)) return begin(request, body);
      // What belongs to no session is answered as a server answers that has none.
      const nobody = new WebStandardStreamableHTTPServerTransport({ sessionIdGenerator: () => "" });
      return nobody.handleRequest(request, body === undefined ? {} : { parsedBody: body });
    },
    endSession: (id) => sessions.get(id)?.end(),
    close() {
      for (const session of [...sessions.values()]) session.end();
    },
  };
}
