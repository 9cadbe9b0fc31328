import type { McpAnswer } from "../demo/mcp-call.ts";
import { type Attack, answerText, recordsText } from "./attack.ts";
import type { SetUp } from "./scenes.ts";
import { recordsIn } from "./shop.ts";

const RUN = "stolen-token";
const WANTED = { tool: "customers", arguments: {} };

export const stolenToken: Attack = {
  id: "stolen-token",
  title: "A token is stolen, and used after the work is done",
  page: {
    story:
      "Credentials are copied where they pass: by a proxy, a debugger, a log of requests, a trace. They are used later, when nobody looks any more, " +
      "from another process.",
    attacker:
      "a process of another user that has read one request of the agent's: its header `Authorization`, as it was sent to the desk.",
    why:
      "The token is of one step. When the step is closed, in the transaction that records it, all its credentials are revoked; the desk's verifier hears of " +
      "it within milliseconds, and the close returns once it has ([revocation](../guides/revocation.md)). The token's signature and its `exp` still hold, " +
      "and it is refused all the same.",
    careful:
      "Access tokens of OAuth that live for minutes are worth nothing after these; an introspection for each request, with a server that revokes when " +
      "the work ends, does what Stint does, where somebody says when that is. Sender-constrained tokens (DPoP, mutual TLS) do more than that, with both.",
    left: [
      "**While the step is open a bearer token is whoever's has it**, at that one server and for what the step was granted: the table shows it. A token that is bound to a " +
        'key (`proof: "dpop"`, `proof: "wpt"`, or an X.509-SVID) is not, as it shows too; let servers require proofs.',
      "A verifier that does not listen, one that checks signatures by published keys alone, honors a token until it expires: two minutes by default.",
      "What was read before the end stays read.",
    ],
  },

  async usual(setUp) {
    const { during, after } = await useStolen(setUp);
    return {
      succeeded: recordsIn(after.text) > 0,
      summary: `${recordsText(recordsIn(after.text))}, read after the agent's work had ended`,
      observations: [
        { did: "called `customers` with the stolen key while the agent worked", saw: seen(during) },
        { did: "called it again after the agent was done", saw: seen(after) },
      ],
    };
  },

  async stint(setUp) {
    const { during, after, bound, secondsLeft } = await useStolen(setUp);
    return {
      succeeded: recordsIn(after.text) > 0,
      summary: `${after.status} ${after.reason}, though the token had not expired`,
      reasons: [bound?.reason ?? "", after.reason],
      observations: [
        {
          did: "called `customers` with a stolen token that is bound to a key of the agent's, while the step was open",
          saw: seen(bound),
        },
        {
          did: "called it with a stolen bearer token while the step was open",
          saw: `${seen(during)} ([what is left](#what-is-left))`,
        },
        {
          did: "called it with the same token after the step was closed",
          saw: `${seen(after)}, with ${secondsLeft.toFixed(0)} s of the token's life left`,
        },
      ],
      ledger: await setUp.ledger.ask({
        query: ["history", "issuances", "--run", RUN],
        members: ["spiffe_id", "audiences", "jti", "state", "expires_at", "revoked_at"],
        prove: { by: "--jti", member: "jti", revocation: true },
        type: "step.closed",
      }),
    };
  },
};

async function useStolen({ agent, attacker, environment, places }: SetUp) {
  const { resources } = places;
  const job = { ...places, run: RUN, server: "desk" } as const;
  const use = (authorization: string) =>
    attacker.ask("callWith", { authorization, resource: resources.desk, ...WANTED });
  await agent.ask("begin", { ...places, run: RUN, tools: [{ server: "desk", tool: "customers" }] });
  const hasBroker = environment["SPIFFE_ENDPOINT_SOCKET"] !== undefined;
  const bound = hasBroker
    ? await use((await agent.ask("authorization", { ...job, isBound: true })).authorization)
    : undefined;
  const { authorization, expiresAtMs } = await agent.ask("authorization", job);
  const during = await use(authorization);
  await agent.ask("end", { run: RUN });
  const after = await use(authorization);
  return { during, after, bound, secondsLeft: ((expiresAtMs ?? Number.NaN) - Date.now()) / 1_000 };
}

function seen(answer: McpAnswer | undefined): string {
  if (answer === undefined) return "";
  return answer.reason === "" ? `${answer.status}: ${recordsText(recordsIn(answer.text))}` : answerText(answer);
}
