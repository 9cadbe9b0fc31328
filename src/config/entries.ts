import { type EntryContentInput, parseEntryContent } from "../domain/entry-content.ts";
import { BrokerError } from "../domain/errors.ts";
import type { EntryContent } from "../domain/registration-entry.ts";
import type { DeclaredEntry } from "./entry-schema.ts";

/** What is wrong with a declared entry: the path of the member, and what was expected there. */
export type EntryProblem = { readonly path: readonly PropertyKey[]; readonly message: string };

/**
 * Accepts the declared entries, each by the domain's own checks, and no two of one kind and name.
 *
 * @param openSteps - how many open steps a runtime may have that does not say how many.
 * @returns the entries in the file's order, and what is wrong with the others.
 */
export function acceptEntries(
  declared: readonly DeclaredEntry[],
  openSteps: number,
): { readonly entries: readonly EntryContent[]; readonly problems: readonly EntryProblem[] } {
  const entries: EntryContent[] = [];
  const problems: EntryProblem[] = [];
  const seen = new Set<string>();
  for (const [index, entry] of declared.entries()) {
    const prefix = `entries[${index}].`;
    try {
      const content = parseEntryContent(contentOf(entry, openSteps), prefix);
      const key = `${content.kind}/${content.name}`;
      if (seen.has(key)) {
        problems.push({ path: ["entries", index, "name"], message: "expected a name that no other of its kind has" });
      }
      seen.add(key);
      entries.push(content);
    } catch (thrown) {
      if (!(thrown instanceof BrokerError)) throw thrown;
      problems.push(problemOf(thrown, index, prefix));
    }
  }
  return { entries, problems };
}

function contentOf(entry: DeclaredEntry, openSteps: number): EntryContentInput {
  const { kind, name, selectors } = entry;
  switch (kind) {
    case "agent":
      return {
        kind,
        name,
        selectors,
        spiffeIdTemplate: entry.spiffe_id_template,
        ceiling: entry.ceiling,
        audiences: entry.audiences,
        exchangeAudiences: entry.exchange_audiences,
        jwtSvidTtlSeconds: entry.jwt_svid_ttl,
        x509SvidTtlSeconds: entry.x509_svid_ttl,
        stepSecondsMax: entry.step_duration_max,
        mayOpen: entry.may_open,
        allowAnyExecutor: entry.allow_any_executor,
        allowExecutorTree: entry.allow_executor_tree,
        executorOpenStepsMax: entry.executor_open_steps_max,
        allowMultipleAudiences: entry.allow_multiple_audiences,
        allowDescendants: entry.allow_descendants,
        federatesWith: entry.federates_with,
      };
    case "runtime":
      return {
        kind,
        name,
        selectors,
        agents: entry.agents,
        openStepsMax: entry.open_steps_max ?? openSteps,
        allowDescendants: entry.allow_descendants,
        federatesWith: entry.federates_with,
      };
    case "verifier":
      return {
        kind,
        name,
        selectors,
        audiences: entry.audiences,
        maxStalenessSeconds: entry.max_staleness,
        receiptKey: entry.receipt_key,
        eventsUrl: entry.events_url,
        federatesWith: entry.federates_with,
      };
    case "operator":
      return { kind, name, selectors, role: entry.role };
    case "node":
      return {
        ...{ kind, name, selectors },
        machineName: entry.machine_name,
        barredMachines: entry.barred_machines,
      };
  }
}

/** The domain names the field in the contract's words, which are the file's: `entries[2].ceiling[0].actions`. */
function problemOf(refused: BrokerError, index: number, prefix: string): EntryProblem {
  const { field } = refused.metadata;
  const expected = refused.message.slice(refused.message.indexOf(": ") + 2);
  const message = expected.includes(": takes ") ? expected : `expected ${expected}`;
  if (field === undefined || !field.startsWith(prefix)) return { path: ["entries", index], message };
  const members = field.slice(prefix.length).match(/[^.[\]]+/g) ?? [];
  return { path: ["entries", index, ...members.map((one) => (/^[0-9]+$/.test(one) ? Number(one) : one))], message };
}
