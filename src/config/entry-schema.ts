import { z } from "zod";
import { LIMITS } from "../domain/limits.ts";
import { OPERATOR_ROLES } from "../domain/registration-entry.ts";
import { duration, list, number, section, text, yesNo } from "./fields.ts";

/*
 * The shape of a declared entry: keys, types and units. Whether the values are fit is for the domain to judge, which
 * checks entries that come by the API in the same way.
 */

const name = text("a name that is a SPIFFE path segment").describe("Unique within its kind.");
const selectors = list(text("a selector, e.g. unix:uid:1001"), "selectors").describe(
  "What the kernel must say of a process for it to be this one; all of them, e.g. unix:uid:1001.",
);
const audiences = list(text("a resource URI or another audience"), "audiences").optional();
const federatesWith = list(text("a trust domain, e.g. other.example"), "trust domains")
  .optional()
  .describe("Foreign trust domains whose bundles it is given, and whose SVIDs it may believe.");
/** Of an SVID's life. */
const TTL_BOUNDS = `From ${LIMITS.svidTtlSecondsMin}s to ${LIMITS.svidTtlSecondsMax}s`;
const svidTtl = duration().optional();

const agent = section({
  kind: z.literal("agent"),
  name,
  selectors,
  spiffe_id_template: text("a path such as /agent/{agent}")
    .optional()
    .describe("Path before /run/ in its steps' SPIFFE IDs; {agent} stands for the name. Absent: /agent/{agent}."),
  ceiling: list(z.unknown(), "elements of type mcp_tool")
    .optional()
    .describe("The most that a step may be granted: authorization_details as in RFC 9396. Absent: nothing."),
  audiences: audiences.describe("Audiences beyond the ceiling's locations."),
  exchange_audiences: audiences.describe("Of these: where a token is traded for something that lives on elsewhere."),
  jwt_svid_ttl: svidTtl.describe(`Life of a JWT-SVID. ${TTL_BOUNDS}; absent: ${LIMITS.jwtSvidTtlSecondsDefault}s.`),
  x509_svid_ttl: svidTtl.describe(
    `Life of an X.509-SVID. ${TTL_BOUNDS}; absent: ${LIMITS.x509SvidTtlSecondsDefault}s.`,
  ),
  step_duration_max: duration()
    .optional()
    .describe(`The longest that a step may be open. At most 24h; absent: ${LIMITS.stepSecondsMaxDefault}s.`),
  may_open: yesNo().optional().describe("May open steps for itself."),
  allow_any_executor: yesNo().optional().describe("A step may be left to whichever process of this agent comes."),
  allow_executor_tree: yesNo()
    .optional()
    .describe("A step may be executed by a process together with those that the process started."),
  executor_open_steps_max: number("a number of steps")
    .optional()
    .describe("Open steps that one process may execute at once."),
  allow_descendants: yesNo()
    .optional()
    .describe("Where it may open: what its processes start may open too, with the whole ceiling."),
  allow_multiple_audiences: yesNo().optional().describe("A JWT-SVID may have several audiences, and then no grant."),
  federates_with: federatesWith,
});

const runtime = section({
  kind: z.literal("runtime"),
  name,
  selectors,
  agents: list(text("an agent's name"), "agents' names").describe("Agents it may open steps for."),
  open_steps_max: number("a number of steps")
    .optional()
    .describe("Steps it may have open at once. Absent: `limits.open_steps`."),
  allow_descendants: yesNo()
    .optional()
    .describe("What its processes start counts as the runtime: opens steps, and has its identity."),
  federates_with: federatesWith,
});

const verifier = section({
  kind: z.literal("verifier"),
  name,
  selectors,
  audiences: list(text("a resource URI or another audience"), "audiences").describe("What it answers for."),
  max_staleness: duration()
    .optional()
    .describe(`Its largest staleness bound. At most, and absent: ${LIMITS.maxStalenessSecondsMax}s.`),
  receipt_key: text("ed25519: and a public key")
    .optional()
    .describe(
      "Public key with which it signs what it has applied (ed25519: and base64url), as its SDK tells it. Absent: it signs nothing.",
    ),
  events_url: text("an https URL")
    .optional()
    .describe("Where it is pushed security events (SSF), if it asks for that. Absent: it polls."),
  federates_with: federatesWith,
});

const operator = section({
  kind: z.literal("operator"),
  name,
  selectors,
  role: text(`one of ${OPERATOR_ROLES.join(", ")}`).describe("What it may do."),
});

const node = section({
  kind: z.literal("node"),
  name,
  selectors,
  machine_name: text("e.g. k8s:node-name")
    .optional()
    .describe(
      "The entry is of a group of machines: what their evidence tells them apart by. Absent: the entry is of one machine.",
    ),
  barred_machines: list(text("a machine's name"), "machines' names")
    .optional()
    .describe("Machines of the group that are not believed."),
});

export const entrySchema = z.discriminatedUnion("kind", [agent, runtime, verifier, operator, node], {
  error: (issue) =>
    issue.code === "invalid_union"
      ? "expected one of agent, runtime, verifier, operator, node"
      : "expected a mapping with a kind: agent, runtime, verifier, operator or node",
});

export type DeclaredEntry = z.infer<typeof entrySchema>;
