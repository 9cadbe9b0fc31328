import { denialBy } from "./ask-ledger.ts";
import { type Attack, attemptText, recordsText } from "./attack.ts";
import { grantFor } from "./grants.ts";
import { auditText } from "./key-door.ts";
import { recordsIn } from "./shop.ts";

/** What somebody outside asks for with what was stolen. */
const WANTED = { tool: "customers", arguments: {} };

export const leakedKey: Attack = {
  id: "leaked-key",
  title: "A leaked key is replayed",
  page: {
    story:
      "A platform keeps what its agents are started with: variables, secrets, settings. One day its database is copied, or a log, or a " +
      "repository, and with it the keys of everybody's agents. They work from anywhere, for everything, until somebody notices and has " +
      "exchanged each of them.",
    attacker:
      "a process of another user, which was never the agent. It has every variable of the agent's environment, and nothing else. The agent " +
      "does nothing at that time.",
    why:
      "There is no key in the environment to be stolen: it names a socket. Who connects there is told by the kernel, again for each act, and " +
      "nothing that a caller says or shows makes it another ([who a caller is](../guides/attestation.md)). A credential is made for one step, " +
      "when there is one.",
    careful:
      "A vault instead of a variable moves the question to what the agent shows the vault, which is a key too, or its place in a cloud. Keys for " +
      "one server each, short lives and a list of addresses make a stolen key worth less and for less long; none of it tells the agent from a " +
      "thief who is where the agent is. OAuth with tokens of minutes goes far, if the refresh token or the client's secret is not in the same table.",
    left: [
      "Whoever is root on the agent's machine, or reads the agent's memory while a step is open, has that step's tokens until it ends.",
      "What else was in the stolen table: Stint keeps no key of other systems in an environment, but a site may.",
    ],
  },

  async usual({ attacker, desk, environment, places }) {
    await desk.ask("audited");
    const values = Object.values(environment);
    const given = await attacker.ask("callWithEach", { values, resource: places.resources.desk, ...WANTED });
    const records = Math.max(0, ...given.map(recordsIn));
    return {
      succeeded: records > 0,
      summary: `${recordsText(records)}, read by a process that was never the agent`,
      observations: [
        {
          did: `tried each of the ${values.length} values of the agent's environment as a key at the desk`,
          saw: `${given.length} of them opened \`customers\`: ${recordsText(records)}`,
        },
        {
          did: "looked at what the desk's table has of it, as of whatever the agent itself does",
          saw: auditText(await desk.ask("audited")),
        },
      ],
    };
  },

  async stint({ attacker, ledger, environment, places }) {
    const { resources } = places;
    const values = Object.values(environment);
    const given = await attacker.ask("callWithEach", { values, resource: resources.desk, ...WANTED });
    const asked = await attacker.ask("attemptToOpen", {
      endpoint: environment["SPIFFE_ENDPOINT_SOCKET"] ?? "",
      agent: "clerk",
      run: "leaked-key",
      step: "customers",
      grant: grantFor(resources, "desk", "customers"),
    });
    return {
      succeeded: given.length > 0 || asked.reason === "OPENED",
      summary: `${asked.reason} for whoever asks the broker, and nothing in the environment that a server takes`,
      reasons: [asked.reason],
      observations: [
        {
          did: `tried each of the ${values.length} values of the agent's environment as a key at the desk`,
          saw: `${given.length} of them opened anything`,
        },
        {
          did: "asked the broker, at the socket that the environment names, for a step of the agent",
          saw: attemptText(asked),
        },
      ],
      ledger: await ledger.ask(denialBy(["--reason", "NO_IDENTITY"], ["reason", "message", "caller"])),
    };
  },
};
