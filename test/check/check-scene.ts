import type { AskerPorts } from "../../src/check/asker.ts";
import { askerOf } from "../../src/check/asker.ts";
import { type CallRequest, checkCallRequest, type UncheckedCall } from "../../src/check/call-request.ts";
import { type CheckPorts, checkCall } from "../../src/check/check-call.ts";
import type { DataClasses } from "../../src/domain/data-classes.ts";
import { isDenial } from "../../src/domain/errors.ts";
import type { Grant } from "../../src/domain/grant.ts";
import type { RegistrationEntry } from "../../src/domain/registration-entry.ts";
import type { RiskLevel } from "../../src/domain/risk.ts";
import type { Attested } from "../../src/domain/stages.ts";
import { addSeconds, secondsOf } from "../../src/domain/time.ts";
import { setOf } from "../adapters/policy-cedar/sets.ts";
import { introspectionScene } from "../api/http/introspection-scene.ts";
import { GRANT, MCP, OPERATOR, processOf } from "../contract/ledger-world.ts";

const CLASSES: DataClasses = {
  ratchet: "run",
  classes: { internal: { sensitivity: "ordinary", securityDomain: [] } },
};

/** A ledger with an open step and its token, a verifier, and all that deciding a call takes. All of it is real. */
export async function checkScene(
  own: { readonly grant?: Grant; readonly ports?: Partial<CheckPorts & AskerPorts> } = {},
) {
  const { grant = GRANT } = own;
  const scene = await introspectionScene();
  const { store, entries, world } = scene;
  const agent = await world.agent({ ceiling: grant });
  entries.put(agent);
  const verifier = await scene.verifier();
  const step = await world.open(agent, { grant });
  const ports: CheckPorts & AskerPorts = {
    ...scene.checking,
    ...own.ports,
  };

  /** A question about a search with a new token of the step, unless it is said otherwise. */
  async function requestOf(call: Partial<UncheckedCall> = {}): Promise<CallRequest> {
    return checkCallRequest({
      credential: call.credential ?? { kind: "jwt-svid", token: await scene.mint(step) },
      location: MCP,
      tool: "search",
      actions: ["read"],
      datatypes: ["internal"],
      argumentsSha256: new Uint8Array(32).fill(0xab),
      ...call,
    });
  }

  /** @param other - ports that are others for this question. */
  async function ask(
    call: Partial<UncheckedCall> = {},
    caller: Attested = callerBy(verifier),
    other: Partial<CheckPorts> = {},
  ) {
    const request = await requestOf(call);
    return checkCall(await askerOf(caller, request, ports), request, { ...ports, ...other });
  }

  /** Puts policies in force, and nothing beside them; their ids are the lines that they begin on. */
  async function activate(text: string): Promise<void> {
    const by = OPERATOR;
    const activates = { reason: "test" };
    const act = { act: "put-policy-set", set: setOf(text, CLASSES), origin: "api", activates, by } as const;
    const result = await world.ledger.perform({ ...act, now: scene.clock.now() });
    if (isDenial(result)) throw new TypeError(result.message);
  }

  /** Whatever was said of the domain's risk before. */
  async function setRisk(level: RiskLevel): Promise<void> {
    const now = scene.clock.now();
    const expiresAt = addSeconds(secondsOf(now), 600);
    await world.ledger.perform({
      act: "set-risk",
      scope: "domain",
      level,
      expiresAt,
      reason: "test",
      by: OPERATOR,
      now,
    });
  }

  return {
    ...scene,
    activate,
    setRisk,
    ports,
    agent,
    verifier,
    step,
    requestOf,
    ask,
    /** The token of a call, for asking with the same one again. */
    jwt: (token: string) => ({ credential: { kind: "jwt-svid" as const, token } }),
    /** Newest first, those about calls alone. */
    decisions: async () => (await store.history.decisions({ limit: 200 })).filter(({ act }) => act === "call"),
  };
}

/** A process that matches these entries. */
export function callerBy(...entries: readonly RegistrationEntry[]): Attested {
  return callerAs(1_003, ...entries);
}

/** A process of this user that does. */
export function callerAs(uid: number, ...entries: readonly RegistrationEntry[]): Attested {
  const facts = {
    selectors: new Set([`unix:uid:${uid}`]),
    process: processOf(77),
    uid,
    sharesPids: true,
    entries,
  };
  return facts as unknown as Attested;
}
