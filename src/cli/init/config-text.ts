import { join } from "node:path";
import { parse } from "yaml";
import type { Plan } from "./plan.ts";

/** The file of a plan's configuration, with what a person needs to know who edits it. */
export function configText(plan: Plan): string {
  const entries = [
    ...plan.operatorUsers.map((user) => [
      "  - kind: operator",
      `    name: ${scalar(user)}`,
      `    selectors: ${ofUser(user)}`,
      "    role: admin # viewer looks, approver approves, detector sets risk",
    ]),
    [
      "  - kind: runtime # opens the steps of these agents; it is none of them",
      `    name: ${scalar(plan.runtimeUser)}`,
      `    selectors: ${ofUser(plan.runtimeUser)}`,
      `    agents: [${plan.agentUsers.map(scalar).join(", ")}]`,
    ],
    ...plan.agentUsers.map((user) => [
      "  - kind: agent",
      `    name: ${scalar(user)}`,
      `    selectors: ${ofUser(user)} # every program of the user; a unix:path beside it names one`,
      "    ceiling: # the most that any step of it may be granted: edit this first",
      "      - type: mcp_tool",
      `        locations: [${scalar(plan.serverUrl)}]`,
      '        identifier: "*" # any tool there; or an element for each tool, by its name',
      "        actions: [read] # and write, execute, retrieve_secret, move_data",
      "        datatypes: [public, internal] # any other class confines the run that was granted it: docs/guides/policies.md",
    ]),
    [
      "  - kind: verifier # the MCP server: told what ends there",
      `    name: ${scalar(plan.serverUser)}`,
      `    selectors: ${ofUser(plan.serverUser)}`,
      `    audiences: [${scalar(plan.serverUrl)}]`,
    ],
  ];
  return `# Configuration of stintd, made by \`stint init\`. \`stintd validate\` says what is wrong with it, and what running would change.
# An unknown key is an error. After a change: \`systemctl reload stint\`, or SIGHUP.

trust_domain: ${scalar(plan.trustDomain)} # what every SPIFFE ID begins with; never changes
issuer: ${scalar(plan.issuer)} # \`iss\` of JWT-SVIDs; where verifiers elsewhere look for keys
data_directory: ${scalar(plan.dataDirectory)} # keys, ledger, checkpoint; 0700, of ${plan.daemonUser}

workload:
  socket: ${scalar(join(plan.socketDirectory, "workload.sock"))} # anybody may connect: the kernel says who it is
operator:
  socket: ${scalar(join(plan.socketDirectory, "operator.sock"))} # people and their tools
  group: ${scalar(plan.operatorGroup)} # its members may connect; what they may do, their entries say

operations: # /livez, /readyz and /metrics on 127.0.0.1:8444
  plain_on_loopback: true
# console: {} # the operators' web page there: stint console open

# http: # public keys, for verifiers on other machines
#   listen: 0.0.0.0:8443
#   hosts: [${scalar(hostOf(plan.issuer))}]
#   tls: { certificate: /etc/stint/tls.crt, private_key: /etc/stint/tls.key }

entries: # who is what, by the user that the kernel names
${entries.map((lines) => lines.join("\n")).join("\n\n")}
`;
}

/** What is not a URL is found by what reads the file. */
function hostOf(issuer: string): string {
  return URL.canParse(issuer) ? new URL(issuer).hostname : issuer;
}

function ofUser(user: string): string {
  return `["unix:user:${user}"]`;
}

/** What YAML takes for text as it stands, in a list and in front of a comment too: neither a number nor anything with a mark of YAML's in it. */
const PLAIN = /^[A-Za-z_/](?:[A-Za-z0-9_./:@-]*[A-Za-z0-9_./@-])?$/;
const VERSIONS = ["1.1", "1.2"] as const;

/** What either version takes for something else is quoted: words such as `no` and `null`, and what 1.1 takes for a number, such as `e-0`. */
function scalar(text: string): string {
  const isItself = PLAIN.test(text) && VERSIONS.every((version) => parse(text, { version }) === text);
  return isItself ? text : JSON.stringify(text);
}
