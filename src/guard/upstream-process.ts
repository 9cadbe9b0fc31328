import { isInitializeRequest, WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/server";
import { SESSION_HEADER } from "../sdk/mcp-guard/forwarded-request.ts";
import type { ForwardedRequest } from "../sdk/mcp-guard/guarded-request.ts";
import type { ControlGroup } from "./control-group.ts";
import { beginProcessSession, handledBy, type ProcessSession, type SessionTerms } from "./process-session.ts";
import { type ProcessCommand, startServerProcess } from "./server-process.ts";
import { UpstreamFailure } from "./upstream-failure.ts";

/** A server that speaks over standard input and output: processes of its own for each session, so that no two steps share state. */
export type ProcessUpstream = {
  /**
   * @param stepId - of whoever asks, which has a part of the processes and not all of them.
   * @throws UpstreamFailure UPSTREAM_UNREACHABLE, PROCESSES_EXHAUSTED; and what `environment` throws
   */
  serve(request: ForwardedRequest, body: unknown, stepId: string): Promise<Response>;
  endSession(id: string): void;
  close(): void;
};

export type ProcessTerms = {
  /** Which tools share a process. */
  readonly groupOf: SessionTerms["groupOf"];
  /** The variables of the process for a tool, which is about to be started; `undefined`: for what calls none. */
  readonly environment: (tool: string | undefined) => Promise<Readonly<Record<string, string>>>;
  /** Absent: what a process starts ends with it by its process group alone. */
  readonly controlGroup?: (() => ControlGroup) | undefined;
  /** Told what a process says beside its messages. */
  readonly said: (line: string) => void;
};

export function createProcessUpstream(
  command: ProcessCommand,
  { groupOf, environment, controlGroup, said }: ProcessTerms,
): ProcessUpstream {
  const sessions = new Map<string, ProcessSession>();
  /** Processes, each by the id of its step. */
  const owners: string[] = [];

  function enter(stepId: string): () => void {
    const ofStep = owners.filter((one) => one === stepId).length;
    if (ofStep >= command.processesPerStepMax) throw exhausted(`the step has ${ofStep} processes of the server`);
    if (owners.length >= command.processesMax) throw exhausted(`there are ${owners.length} processes of the server`);
    owners.push(stepId);
    return () => void owners.splice(owners.indexOf(stepId), 1);
  }

  const startFor =
    (stepId: string): SessionTerms["start"] =>
    async (tool, { message, ended }) => {
      const leave = enter(stepId);
      try {
        const variables = await environment(tool);
        return await startServerProcess(command, variables, controlGroup?.(), {
          message,
          said,
          ended(why) {
            leave();
            ended(why);
          },
        });
      } catch (thrown) {
        leave();
        throw thrown;
      }
    };

  async function begin(request: ForwardedRequest, body: unknown, stepId: string): Promise<Response> {
    const session = await beginProcessSession({
      start: startFor(stepId),
      groupOf,
      ended() {
        const id = session.id();
        if (id !== undefined) sessions.delete(id);
      },
    });
    const response = await session.serve(request, body);
    const id = session.id();
    if (id === undefined) session.end();
    else sessions.set(id, session);
    return response;
  }

  return {
    async serve(request, body, stepId) {
      const session = sessions.get(request.headers.get(SESSION_HEADER) ?? "");
      if (session !== undefined) return session.serve(request, body);
      if (isInitializeRequest(body)) return begin(request, body, stepId);
      // What belongs to no session is answered as a server answers that has none.
      const nobody = new WebStandardStreamableHTTPServerTransport({ sessionIdGenerator: () => "" });
      return handledBy(nobody, request, body);
    },
    endSession: (id) => sessions.get(id)?.end(),
    close() {
      for (const session of [...sessions.values()]) session.end();
    },
  };
}

function exhausted(how: string): UpstreamFailure {
  return new UpstreamFailure("PROCESSES_EXHAUSTED", `${how}, as many as may be`);
}
