import { denialBy } from "./ask-ledger.ts";
import { type Attack, answerText, attemptText, recordsText } from "./attack.ts";
import { grantFor } from "./grants.ts";
import { recordsIn } from "./shop.ts";

const RUN = "sub-agent";
const REFUND = { tool: "refund", arguments: { customer: "nobody@elsewhere.example", amount: 900 } };

export const subAgent: Attack = {
  id: "sub-agent",
  title: "A sub-agent moves on to what it was not given",
  page: {
    story:
      "An agent hands a part of its work to another one: a cheaper model, another team's, one that runs what it finds. Whoever takes over the " +
      "smallest of them looks around for what else is within its reach.",
    attacker:
      "whoever is in the process of a sub-agent, a process of another user, that was given one task: read a ticket at the desk. Its agent itself " +
      "may also make refunds at billing.",
    why:
      "The sub-agent has a step of its own, below its agent's, with no more than it was given; its tokens are for one server, and say what may be " +
      "called there. A step's credentials go to the one process that executes it ([delegation](../guides/agent-runtime.md)), and only " +
      "a runtime opens steps. When the agent's step ends, so does the sub-agent's.",
    careful:
      "A key for each agent and server, with a role for each, keeps the sub-agent from billing, at the price of a key for every pair, which all live " +
      "on; who delegated what to whom is then nobody's knowledge. Tokens that are exchanged for narrower ones (RFC 8693) do what a step does here, " +
      "where every hop exchanges, and until they expire.",
    left: [
      "What the sub-agent was given, it has until its step ends: here, to read tickets.",
      "A sub-agent under the agent's own user, with the same executable, is that agent to the kernel, unless the agent started it. One user a role.",
    ],
  },

  async usual({ subAgent: taken, billing, desk, places }) {
    const ticket = await desk.ask("file", { text: "Where is my parcel?" });
    const read = await call("desk", "read_ticket", { number: ticket });
    const others = await call("desk", "customers", {});
    const refund = await call("billing", REFUND.tool, REFUND.arguments);
    const { refunds } = await billing.ask("seen");
    function call(server: "desk" | "billing", tool: string, args: Record<string, unknown>) {
      return taken.ask("call", { ...places, run: RUN, server, tool, arguments: args, tokenFor: server });
    }
    return {
      succeeded: recordsIn(others.text) > 0 && refunds.length > 0,
      summary: `${recordsText(recordsIn(others.text))} and a refund of ${refunds[0]?.amount ?? 0}, by the key that it shares with its agent`,
      observations: [
        { did: "read the ticket, as it was told to", saw: answerText(read) },
        {
          did: "called `customers` at the desk with the same key",
          saw: `${answerText(others)}: ${recordsText(recordsIn(others.text))}`,
        },
        { did: "called `refund` at billing with the same key", saw: `${answerText(refund)}: ${refunds.length} refund` },
      ],
    };
  },

  async stint({ agent, subAgent: taken, billing, desk, broker, ledger, places }) {
    const ticket = await desk.ask("file", { text: "Where is my parcel?" });
    const tools = [
      { server: "desk", tool: "read_ticket" },
      { server: "billing", tool: "refund" },
    ] as const;
    const parent = await agent.ask("begin", { ...places, run: RUN, tools });
    const part = { ...places, run: RUN, server: "desk", tool: "read_ticket" } as const;
    const child = await agent.ask("delegate", { ...part, pid: taken.pid });
    await taken.ask("takeUp", { run: RUN, stepId: child.stepId });

    const read = await taken.ask("call", { ...part, arguments: { number: ticket }, tokenFor: "desk" });
    const others = await taken.ask("call", { ...part, tool: "customers", arguments: {}, tokenFor: "desk" });
    const refund = await taken.ask("call", { ...places, run: RUN, server: "billing", ...REFUND, tokenFor: "desk" });
    const audience = await taken.ask("attemptAudience", { ...places, run: RUN, server: "billing" });
    const parents = await taken.ask("attemptOther", { ...places, stepId: parent.stepId, server: "billing" });
    const own = await taken.ask("attemptToOpen", {
      ...{ endpoint: broker().endpoint, agent: "clerk", run: RUN, step: "own" },
      grant: grantFor(places.resources, "billing", "refund"),
    });
    await agent.ask("end", { run: RUN });
    if (read.text === "") throw new Error(`the sub-agent could not do what it was given: ${read.reason}`);
    const { refunds } = await billing.ask("seen");
    const asked = [audience, parents, own];
    return {
      succeeded: recordsIn(others.text) > 0 || refunds.length > 0 || asked.some(({ reason }) => reason === "OPENED"),
      summary: `${others.reason} at its own server, ${refund.reason} at the other, and ${own.reason} from the broker`,
      reasons: [others.reason, refund.reason, ...asked.map(({ reason }) => reason)],
      observations: [
        { did: "read the ticket, as it was told to, in the step that its agent opened for it", saw: answerText(read) },
        { did: "called `customers` at the desk with its token", saw: answerText(others) },
        { did: "called `refund` at billing with its token", saw: answerText(refund) },
        {
          did: "asked the broker for a token of its step for billing",
          saw: attemptText(audience),
        },
        { did: "asked the broker for a token of its agent's step", saw: attemptText(parents) },
        { did: "asked the broker for a step of its agent's", saw: attemptText(own) },
      ],
      ledger: await ledger.ask(denialBy(["--run", RUN], ["reason", "message", "caller"])),
    };
  },
};
