import { BrokerError } from "../domain/errors.ts";
import { toolStateOf } from "../domain/tool-definition.ts";
import type { ToolDirectory } from "../ports/directories.ts";
import type { CallRequest } from "./call-request.ts";

/**
 * Refuses a tool whose definition is not the one that is pinned. Where the server does not tell what it shows, what was reported
 * last counts. Of a tool that nobody has reported, nothing is pinned, and none is refused.
 *
 * @throws BrokerError TOOL_NOT_ACCEPTED
 */
export function checkAccepted({ location, use }: CallRequest, tools: Pick<ToolDirectory, "standing">): void {
  const { identifier: tool } = use;
  const standing = tools.standing(location, tool);
  if (standing === undefined) return;
  const state = toolStateOf(use.definition_sha256 ?? standing.newest, standing.pinned);
  if (state === "pinned") return;
  const why =
    state === "waiting"
      ? "no operator has accepted the tool's definition yet"
      : "the tool's definition is not the one that is pinned";
  throw new BrokerError("TOOL_NOT_ACCEPTED", `${why}: stint tool show ${location} ${tool}`, {
    metadata: { definition: state },
  });
}
