import type { ServerContext } from "@modelcontextprotocol/server";
import { type LegacyContext, LINE_1 } from "../mcp-v1/scene-v1.ts";
import { LINE_2, type SdkLine } from "./scene.ts";

/** A line of the MCP SDK, with all the headers that one of its handlers was given. */
type TestedLine<Context> = SdkLine<Context> & { headersOf(context: Context): string };

const TWO: TestedLine<ServerContext> = {
  ...LINE_2,
  headersOf: (context) => [...(context.http?.req?.headers ?? [])].flat().join(),
};

const ONE: TestedLine<LegacyContext> = {
  ...LINE_1,
  headersOf: (context) => JSON.stringify(context.requestInfo?.headers ?? {}),
};

/** What a test does not know of a handler's context it does not use. */
export const SDK_LINES = [
  { version: "2", line: TWO as unknown as TestedLine<never> },
  { version: "1", line: ONE as unknown as TestedLine<never> },
];
