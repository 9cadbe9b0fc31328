import type { Users } from "./users.ts";

export const ROLES = ["broker", "runtime", "library", "archive", "subAgent"] as const;
type Role = (typeof ROLES)[number];

/** Who is who, by user alone; a program's path or digest would tell apart several programs of one user. */
export function entriesFor(
  users: Users<Role>,
  resources: { readonly library: string; readonly archive: string },
): readonly object[] {
  const own = process.getuid?.() ?? 0;
  const user = (uid: number | undefined) => [`unix:uid:${uid ?? own}`];
  const at = (resource: string, identifier: string, action: string, datatypes: readonly string[]) => ({
    type: "mcp_tool",
    locations: [resource],
    identifier,
    actions: [action],
    datatypes,
  });
  const { library, archive } = resources;
  const search = at(library, "search", "read", ["public", "internal"]);
  return [
    { kind: "runtime", name: "planner", selectors: user(users.runtime), agents: ["researcher", "reader"] },
    {
      kind: "agent",
      name: "researcher",
      selectors: user(users.runtime),
      ceiling: [search, at(library, "index", "execute", ["public"])],
    },
    { kind: "agent", name: "reader", selectors: user(users.subAgent), ceiling: [search] },
    { kind: "verifier", name: "library", selectors: user(users.library), audiences: [library] },
    { kind: "verifier", name: "archive", selectors: user(users.archive), audiences: [archive] },
    { kind: "operator", name: "demo", selectors: user(own), role: "admin" },
  ];
}
