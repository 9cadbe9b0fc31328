import { parseEntryContent } from "../../src/domain/entry-content.ts";
import { BrokerError } from "../../src/domain/errors.ts";
import { riskScopesOf } from "../../src/domain/risk.ts";
import { factScopesOf } from "../../src/domain/run-facts.ts";
import { addSeconds, secondsOf } from "../../src/domain/time.ts";
import { policySetOf } from "../memory/rule-engine.ts";
import { OPERATOR } from "./broker.ts";
import { agentContent, NAMED, POLICIES, PRINCIPALS } from "./cast.ts";
import { at, chosen } from "./choose.ts";
import type { EventOf } from "./events.ts";
import type { World } from "./world.ts";

/** Those who administer: entries, policies, risk, and what is taken back. */
export function operators(world: World) {
  const { model, clock, processes } = world;

  const idOf = (which: number) => world.broker.ports.principals.idOf(chosen(PRINCIPALS, which));

  async function change(entry: EventOf<"disable" | "enable">): Promise<void> {
    await world.broker.registry[entry.kind](NAMED[entry.entry] ?? NAMED[0], OPERATOR);
  }

  return {
    async revoke({ what, which }: EventOf<"revoke">): Promise<void> {
      const { broker } = world;
      const step = at(world.steps(), which);
      const record = at([...model.credentials.values()], which)?.record;
      if (what === "agent") {
        await broker.registry.disable(`agent/agent-${which % 2}`, OPERATOR);
      } else if (what === "credential" && record !== undefined) {
        const { jti, serialNumber = "" } = record;
        await broker.revoke(jti === undefined ? { kind: "serialNumber", serialNumber } : { kind: "jti", jti });
      } else if (what === "process") {
        await broker.revoke({ kind: "process", process: chosen(processes, which).process });
      } else if (step !== undefined) {
        const { runId, stepId } = step;
        await broker.revoke(what === "run" ? { kind: "run", runId } : { kind: "step", stepId });
      }
    },
    async update(event: EventOf<"update">): Promise<void> {
      const agent = event.agent % 2;
      const content = parseEntryContent(agentContent(agent, event.ceiling));
      const updating = world.broker.registry.update(`agent/agent-${agent}`, content, 0, OPERATOR);
      await updating.catch((thrown: unknown) => {
        world.flags.isChangePending ||= thrown instanceof BrokerError && thrown.code === "LEDGER_UNAVAILABLE";
        throw thrown;
      });
    },
    disable: change,
    enable: change,
    async risk({ scope: which, level, seconds }: EventOf<"risk">): Promise<void> {
      const step = at(world.steps(), which);
      const scopes = step === undefined ? (["domain"] as const) : riskScopesOf(step.agent, factScopesOf(step));
      const scope = chosen(scopes, which);
      const now = clock.now();
      const expiresAt = addSeconds(secondsOf(now), seconds);
      const of = { scope, level, expiresAt, reason: "simulated", by: OPERATOR, now } as const;
      await world.life.ground.store.ledger.perform({ act: "set-risk", ...of });
    },
    async policies(event: EventOf<"policies">): Promise<void> {
      const of = { by: OPERATOR, now: clock.now() } as const;
      const { ledger } = world.life.ground.store;
      const candidate = at(POLICIES, event.set);
      if (candidate === undefined) {
        await ledger.perform({ act: "activate-policy-set", version: 0, reason: "simulated", ...of });
        return;
      }
      const put = {
        act: "put-policy-set",
        set: policySetOf(candidate.rules, candidate.dataClasses),
        origin: "api",
        ...of,
      } as const;
      await ledger.perform({ ...put, activates: { reason: "simulated" } });
    },
    async offboard({ principal, barAhead }: EventOf<"offboard">): Promise<void> {
      const principalId = idOf(principal);
      const { ledger } = world.ground.store;
      const from = ledger.head().sequence;
      await world.broker.offboard(principalId, { barAhead, by: OPERATOR });
      world.offboarded.push({ principalId, from, through: ledger.head().sequence });
    },
    readmit: ({ principal }: EventOf<"readmit">): Promise<unknown> => world.broker.readmit(idOf(principal), OPERATOR),
    erase({ principal }: EventOf<"erase">): Promise<unknown> {
      // No two erasures of one principal fall into the same microsecond.
      clock.advance(1);
      return world.broker.erase(idOf(principal), OPERATOR);
    },
    "accept-restore": (): Promise<unknown> => world.broker.acceptRestore(),
  };
}
