import { federatesWith } from "../domain/registration-entry.ts";
import { createListeners } from "../follow/listeners.ts";
import type { Cancel } from "../ports/clock.ts";
import type { FederatedBundles } from "../ports/federated-bundles.ts";
import type { KeptEntries } from "./entry-directory.ts";

/**
 * Tells when somebody is to be given other foreign bundles than before: because a bundle changed, or because an entry
 * names other trust domains. Told of any other change of the entries, every stream would only send again what its
 * client has.
 */
export function followFederating(
  entries: Pick<KeptEntries, "all" | "onChange">,
  federated: FederatedBundles,
  failed: (error: unknown) => void,
): (changed: () => void) => Cancel {
  const { onChange, tell } = createListeners(failed);
  const named = () =>
    entries
      .all()
      .filter((entry) => !entry.disabled && federatesWith(entry).length > 0)
      .map((entry) => `${entry.entryId} ${federatesWith(entry).join(" ")}`)
      .sort()
      .join("\n");
  let known = named();
  entries.onChange(() => {
    const now = named();
    if (now === known) return;
    known = now;
    tell();
  });
  federated.onChange(tell);
  return onChange;
}
