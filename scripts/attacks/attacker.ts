// Somebody outside, in a process of their own, of a user that no entry names: has what was stolen, and tries it.
import { serveCommands } from "../demo/actor.ts";
import { bearing, callTool } from "../demo/mcp-call.ts";
import { attemptToOpen } from "./attempts.ts";

type Call = { readonly resource: string; readonly tool: string; readonly arguments: Record<string, unknown> };

const commands = {
  callWith: async ({ authorization, ...call }: Call & { readonly authorization: string }) =>
    callTool({ ...call, send: bearing(authorization) }),

  /** Tries each of these as a key. @returns the answers that a tool gave */
  async callWithEach({ values, ...call }: Call & { readonly values: readonly string[] }) {
    const given: string[] = [];
    for (const value of values) {
      const { text } = await callTool({ ...call, send: bearing(`Bearer ${value}`) });
      if (text !== "") given.push(text);
    }
    return given;
  },

  attemptToOpen,
};

export type AttackerCommands = typeof commands;
serveCommands(commands);
