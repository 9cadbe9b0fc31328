import type { ScriptedModel, ToolUse } from "./scripted-model.ts";

/** What a call gave its agent. */
export type ToolAnswer = {
  readonly text: string;
  /** Why it was refused, where it was; empty where not. */
  readonly reason: string;
  /** The decision that refused it, where it is on record. */
  readonly decisionId: string;
};

/** Tools as an agent has them, whatever stands between. */
export type Toolbox = {
  /** Descriptions of the tools that are not the agent's own, as their server gives them now. */
  descriptions(): Promise<readonly string[]>;
  /** Never throws for a refusal. */
  call(use: ToolUse): Promise<ToolAnswer>;
};

export type Turn = ToolAnswer & Pick<ToolUse, "tool">;

/** The loop of every agent: show the model its tools, do what it says, show it what came of that, until it says nothing more. */
export async function work(model: ScriptedModel, tools: Toolbox): Promise<readonly Turn[]> {
  for (const description of await tools.descriptions()) model.read(description);
  const turns: Turn[] = [];
  for (let use = model.next(); use !== undefined; use = model.next()) {
    const answer = await tools.call(use);
    turns.push({ tool: use.tool, ...answer });
    model.read(answer.text, use.tool);
  }
  return turns;
}
