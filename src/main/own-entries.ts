import type { Config } from "../config/config.ts";
import type { EntryContent } from "../domain/registration-entry.ts";
import { selector } from "../domain/selector.ts";
import { parseSegment } from "../domain/spiffe-id.ts";

/**
 * The declared entries, and the broker's own. Where no operator is declared, the user that runs the broker is one: a
 * broker nobody may administer could not be mended.
 */
export function withOwn(config: Config): readonly EntryContent[] {
  const server: EntryContent = { kind: "server", name: parseSegment("server", "name"), selectors: [] };
  if (config.entries.some((entry) => entry.kind === "operator")) return [...config.entries, server];
  const operator: EntryContent = {
    kind: "operator",
    name: parseSegment("broker-user", "name"),
    selectors: [selector("unix:uid", process.getuid?.() ?? 0)],
    role: "admin",
  };
  return [...config.entries, operator, server];
}
