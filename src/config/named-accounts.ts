/** Users and groups that a configuration names and that need not be there: for telling of them apart from what else is wrong. */
export type NamedAccounts = { readonly users: readonly string[]; readonly groups: readonly string[] };

const SELECTOR = /^unix:(user|group):(.+)$/;

/**
 * Finds them in what a file holds, whatever else is wrong with it.
 *
 * @param file - as YAML has it.
 */
export function accountsNamedIn(file: unknown): NamedAccounts {
  const group = memberOf(memberOf(file, "operator"), "group");
  const entries = memberOf(file, "entries");
  const selectors = (Array.isArray(entries) ? entries : []).flatMap((entry) => {
    const own = memberOf(entry, "selectors");
    return (Array.isArray(own) ? own : []).map((one) => SELECTOR.exec(String(one)));
  });
  const of = (kind: string) => selectors.flatMap((found) => (found?.[1] === kind ? [found[2] ?? ""] : []));
  return { users: of("user"), groups: [...(typeof group === "string" ? [group] : []), ...of("group")] };
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>)[name] : undefined;
}
