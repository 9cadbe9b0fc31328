import { stintRows } from "../demo/stint-cli.ts";
import { denialBy } from "./ask-ledger.ts";
import { type Attack, answerText, attemptText, type Observation } from "./attack.ts";
import { grantFor } from "./grants.ts";
import type { SetUp } from "./scenes.ts";

const RUN = "passed-on-token";
const REFUND = { tool: "refund", arguments: { customer: "nobody@elsewhere.example", amount: 900 } };

export const passedOnToken: Attack = {
  id: "passed-on-token",
  title: "A compromised MCP server passes its callers' tokens on",
  page: {
    story:
      "An MCP server sees the credential of every caller. One that was taken over, or that means to be helpful, shows it to another server, which takes it " +
      "for the agent. The MCP specification forbids to pass tokens through; a compromised server does not read it.",
    attacker:
      "whoever is in the process of the desk. It has the header `Authorization` of its last caller, whose step is still open, and the desk's own " +
      "place on the machine.",
    why:
      "A token is for one audience, compared exactly, and the desk's is not billing's ([guide](../guides/mcp-server.md)). What is behind the guard never sees a token at all; here " +
      "even the guard's process was taken over. To the broker the desk is a verifier: it is told what ends there, opens nothing, and gets no credential of anybody's step.",
    careful:
      "A key for each pair of agent and server prevents this one. So do access tokens of OAuth with a resource indicator (RFC 8707), if every " +
      "server checks the audience: some libraries do not unless they are told to.",
    left: [
      "The compromised server can use the token **at itself**: it sees all that it serves anyway, and can answer what it likes. Its answers are read by a model.",
      "A server that verifies with a library which passes over the audience takes the token: [what to tell each](../guides/verify/README.md).",
      "Billing's refusal is billing's to log, and not in the ledger: a token for another server is no credential there. What the ledger has is " +
        "for whom tokens were made, and what the desk asked the broker for.",
    ],
  },

  async usual(setUp) {
    const { passedOn, refunds } = await passOn(setUp);
    return {
      succeeded: refunds > 0,
      summary: `${refunds} refund at billing, by the desk with its caller's key`,
      observations: [passedOn, { did: "counted refunds at billing", saw: String(refunds) }],
    };
  },

  async stint(setUp) {
    const { desk, broker, ledger, places, agent } = setUp;
    const { passedOn, refunds, reason } = await passOn(setUp);
    const asked = await desk.ask("attemptToOpen", {
      ...{ endpoint: broker().endpoint, agent: "clerk", run: RUN, step: "own" },
      grant: grantFor(places.resources, "billing", "refund"),
    });
    await agent.ask("end", { run: RUN });
    const made = await stintRows<{ readonly audiences: readonly string[] }>(
      broker().operatorSocket,
      ...["history", "issuances", "--run", RUN],
    );
    const forOthers = made.filter(({ audiences }) => audiences.some((audience) => audience !== places.resources.desk));
    return {
      succeeded: refunds > 0 || forOthers.length > 0 || asked.reason === "OPENED",
      summary: `${reason} at billing, and ${asked.reason} from the broker`,
      reasons: [reason, asked.reason],
      observations: [
        passedOn,
        { did: "counted refunds at billing", saw: String(refunds) },
        {
          did: "asked the broker, as the desk's process, for a step that may refund",
          saw: attemptText(asked),
        },
        {
          did: `asked the ledger for whom tokens were made in this run (\`stint history issuances --run ${RUN}\`)`,
          saw: `${made.length - forOthers.length} for the desk, ${forOthers.length} for others`,
        },
      ],
      ledger: await ledger.ask(denialBy(["--run", RUN], ["reason", "act", "message", "caller"])),
    };
  },
};

/** The agent calls the desk, and the desk billing with what it was shown. The agent's work goes on meanwhile. */
async function passOn({ agent, desk, billing, places }: SetUp) {
  const { resources } = places;
  const number = await desk.ask("file", { text: "May I have a refund?" });
  const part = { ...places, run: RUN, server: "desk", tool: "read_ticket" } as const;
  await agent.ask("begin", { ...places, run: RUN, tools: [part] });
  const read = await agent.ask("call", { ...part, arguments: { number }, tokenFor: "desk" });
  if (read.text === "") throw new Error(`the agent could not read its ticket: ${read.reason}`);
  const answer = await desk.ask("passOn", { resource: resources.billing, ...REFUND });
  const { refunds } = await billing.ask("seen");
  const passedOn: Observation = {
    did: "called `refund` at billing, from the desk, with what the agent had shown the desk",
    saw: answerText(answer),
  };
  return { passedOn, refunds: refunds.length, reason: answer.reason };
}
