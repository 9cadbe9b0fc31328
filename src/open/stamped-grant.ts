import { ANY, type Grant, withDefinitionsOf } from "../domain/grant.ts";
import type { ToolDirectory } from "../ports/directories.ts";
import type { Terms } from "./terms.ts";

/**
 * A token has 6 KiB for its grant, of which a digest takes 120 bytes. Where more elements would be stamped none is: whoever shows the
 * tools then refuses one that changed, by what is pinned at that moment.
 */
const STAMPED_ELEMENTS_MAX = 16;

/**
 * A request with the digests that its elements are held to: those of the limits that cover them, and for a named tool at one location,
 * which was reported there, of the definition that is pinned now. So a step that was opened, or approved, for one definition is not for
 * the next, and verifiers that never report tools are shown no member that they might not know.
 *
 * @throws BrokerError NOT_SERVING while it is not known what is pinned
 */
export function stampedGrant(
  asked: Grant,
  { agent, parent, delegated }: Pick<Terms, "agent" | "parent" | "delegated">,
  tools: Pick<ToolDirectory, "standing">,
): Grant {
  const limits = [parent?.grant, delegated?.cap, agent.content.ceiling].filter((limit) => limit !== undefined);
  const limited = limits.reduce((grant, limit) => withDefinitionsOf(grant, limit), asked);
  const stamped = limited.map((element) => {
    const [location = "", ...more] = element.locations;
    const isOne = more.length === 0 && element.identifier !== ANY && element.definition_sha256 === undefined;
    const pinned = isOne ? tools.standing(location, element.identifier)?.pinned : undefined;
    return pinned === undefined ? element : { ...element, definition_sha256: pinned };
  });
  const count = stamped.filter((element) => element.definition_sha256 !== undefined).length;
  return count > STAMPED_ELEMENTS_MAX ? limited : stamped;
}
