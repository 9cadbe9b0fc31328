import { grantFor, type Resources } from "./grants.ts";
import type { People } from "./people.ts";

/** Who is who to the broker. The clerk may do everything that its work may need, each in a step for that alone. */
export function entriesFor(people: People, resources: Resources): readonly object[] {
  const ticket = grantFor(resources, "desk", "read_ticket");
  const ceiling = [
    ...ticket,
    ...grantFor(resources, "desk", "customers"),
    ...grantFor(resources, "desk", "send_mail"),
    ...grantFor(resources, "billing", "refund"),
    ...grantFor(resources, "notes", "search"),
  ];
  const { agent, subAgent, desk, billing, guard, operator } = people;
  return [
    { kind: "runtime", name: "support", selectors: agent.selectors, agents: ["clerk", "reader"] },
    { kind: "agent", name: "clerk", selectors: agent.selectors, ceiling },
    { kind: "agent", name: "reader", selectors: subAgent.selectors, ceiling: ticket },
    { kind: "verifier", name: "desk", selectors: desk.selectors, audiences: [resources.desk] },
    { kind: "verifier", name: "billing", selectors: billing.selectors, audiences: [resources.billing] },
    { kind: "verifier", name: "notes", selectors: guard.selectors, audiences: [resources.notes] },
    { kind: "operator", name: "on-call", selectors: operator.selectors, role: "admin" },
  ];
}
