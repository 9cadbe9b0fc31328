import { invalidField } from "../../domain/errors.ts";
import { checkResourceUri } from "../../domain/grant.ts";
import { parseTrustDomain } from "../../domain/spiffe-id.ts";

/** Who is to be what on a machine: each role is a user of its own, named as the user is. */
export type Plan = {
  readonly trustDomain: string;
  /** `iss` of JWT-SVIDs. */
  readonly issuer: string;
  readonly daemonUser: string;
  /** Of the program that opens steps for the agents. */
  readonly runtimeUser: string;
  /** Each is the name of an agent too. */
  readonly agentUsers: readonly string[];
  readonly serverUser: string;
  /** Of the MCP server, at which a token is for it. */
  readonly serverUrl: string;
  readonly operatorUsers: readonly string[];
  readonly operatorGroup: string;
  readonly dataDirectory: string;
  readonly socketDirectory: string;
};

/** What nobody is asked, and flags may say. */
export type Unasked = Omit<Plan, "trustDomain" | "issuer" | "agentUsers" | "serverUrl" | "operatorUsers"> & {
  readonly issuer: string | undefined;
};

/** One of the four questions; `parse` throws BrokerError INVALID_FIELD for what can't be an answer. */
export type Question<Value> = {
  readonly flag: string;
  readonly text: string;
  /** What a flag says already. */
  readonly given: string | undefined;
  /** The answer of whoever gives none. */
  readonly usual: string;
  readonly parse: (answer: string) => Value;
};

type Ask = <Value>(question: Question<Value>) => Promise<Value>;

/** What useradd(8) takes by default, and a group's name likewise. */
const ACCOUNT = /^[a-z_][a-z0-9_-]{0,31}$/;
const ACCOUNT_EXPECTED = "names of users: a-z, 0-9, '_', '-', at most 32, and no digit or '-' first";
const ROOT = "root";
/** Reserved for private use, so that it is never somebody else's. */
const TRUST_DOMAIN_USUAL = "agents.internal";

/**
 * Asks the four questions, in their order, and makes a plan of the answers.
 *
 * @param given - by flags, as text.
 * @param machine - what the usual answers are made of.
 * @throws BrokerError INVALID_FIELD for flags that can't be; what `ask` throws
 */
export async function makePlan(
  unasked: Unasked,
  given: { readonly [Flag in "trustDomain" | "agents" | "serverUrl" | "operators"]: string | undefined },
  machine: { readonly hostName: string; readonly userName: string },
  ask: Ask,
): Promise<Plan> {
  const taken = new Map<string, string>();
  const take = (flag: string, role: string, names: readonly string[]): readonly string[] => {
    const news = new Map<string, string>();
    for (const name of names) {
      if (!ACCOUNT.test(name)) throw invalidField(flag, ACCOUNT_EXPECTED);
      if (name === ROOT && role !== OPERATOR) throw invalidField(flag, "another user than root, who may read the keys");
      const other = taken.get(name);
      if (other !== undefined) {
        throw invalidField(
          flag,
          `a user for each role alone, and ${name} is ${other}: the kernel could not tell them apart`,
        );
      }
      news.set(name, role);
    }
    if (news.size === 0) throw invalidField(flag, "at least one name");
    // Only once all of them are: a question that is asked again takes nothing.
    for (const [name, of] of news) taken.set(name, of);
    return [...news.keys()];
  };
  take("--daemon-user", "the daemon's", [unasked.daemonUser]);
  take("--runtime-user", "the runtime's", [unasked.runtimeUser]);
  take("--server-user", "the MCP server's", [unasked.serverUser]);
  if (!ACCOUNT.test(unasked.operatorGroup)) throw invalidField("--operator-group", "the name of a group");

  const trustDomain = await ask({
    flag: "--trust-domain",
    text: "Trust domain, with which every identity begins? It can't be changed later",
    given: given.trustDomain,
    usual: domainOf(machine.hostName),
    parse: (answer) => parseTrustDomain(answer, "--trust-domain"),
  });
  const agentUsers = await ask({
    flag: "--agent",
    text: "Agents? Each is a user of its own, whose programs are that agent; several with commas",
    given: given.agents,
    usual: "assistant",
    parse: (answer) => take("--agent", "an agent's", listed(answer)),
  });
  const serverUrl = await ask({
    flag: "--server-url",
    text: "URL of the MCP server whose tools they call?",
    given: given.serverUrl,
    usual: `https://mcp.${trustDomain}/mcp`,
    parse(answer) {
      checkResourceUri(answer, "--server-url");
      return answer;
    },
  });
  const operatorUsers = await ask({
    flag: "--operator",
    text: "Who administers it? Users of this machine; several with commas",
    given: given.operators,
    usual: machine.userName,
    parse: (answer) => take("--operator", OPERATOR, listed(answer)),
  });
  const issuer = unasked.issuer ?? `https://stint.${trustDomain}:8443`;
  return { ...unasked, trustDomain, issuer, agentUsers, serverUrl, operatorUsers };
}

const OPERATOR = "an operator's";

function listed(answer: string): readonly string[] {
  return answer.split(/[\s,]+/).filter((name) => name !== "");
}

/** The domain that a machine with a whole name is in. */
function domainOf(hostName: string): string {
  const [, domain = ""] = /^[^.]+\.(.+)$/.exec(hostName.toLowerCase()) ?? [];
  try {
    return parseTrustDomain(domain);
  } catch {
    return TRUST_DOMAIN_USUAL;
  }
}
