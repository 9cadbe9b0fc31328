import type { VerificationError, VerifiedStep, Verifier } from "../verifier/index.ts";

/** Whose a session is: the step's that opened it, or that of all the steps of its agent in its run. */
export type SessionOwner = "step" | "run";

/** Of one owner; beyond, its idlest goes. An agent's runtime opens one for each client that it makes. */
const SESSIONS_PER_OWNER_MAX = 100;
/** Of all steps of an agent; beyond, the agent's idlest goes, so that an agent with many steps puts no other's out. */
const SESSIONS_PER_AGENT_MAX = 2_500;
/** Of all owners: some MiB. */
const SESSIONS_MAX = 10_000;
/** Servers make them of some 40. What has a longer id is not kept, and so is nobody's. */
export const ID_CHARACTERS_MAX = 1_024;

export type Sessions = {
  /** Whether there is such a session of the caller's. */
  isOf(id: string, caller: VerifiedStep): boolean;
  /** A server has opened it for the caller; one that is somebody's already stays theirs. */
  bind(id: string, caller: VerifiedStep): void;
  forget(id: string): void;
  readonly size: number;
};

type Owner = {
  /** The idlest first. */
  readonly ids: Set<string>;
  /** SPIFFE ID. */
  readonly agent: string;
  /** `undefined` for a run, of whose end nobody tells, and after a denial of the token alone that was watched. */
  watched: Disposable | undefined;
};

/**
 * Whose each session is that a server has opened, for as long as its step is open. A session that is not known here is
 * nobody's: what was forgotten must not become another's.
 *
 * @param signalFor - the verifier's.
 * @param ended - told of each that is forgotten because its step has ended, or for younger ones.
 */
export function createSessions(
  signalFor: Verifier["signalFor"],
  by: SessionOwner,
  ended: (id: string) => void = () => undefined,
): Sessions {
  const owners = new Map<string, Owner>();
  /** By id, the name of the owner; the idlest first. */
  const sessions = new Map<string, string>();
  /** By agent, the ids of all its owners; the idlest first. */
  const agents = new Map<string, Set<string>>();

  function watch(name: string, owner: Owner, caller: VerifiedStep): void {
    if (by === "run" || owner.watched !== undefined) return;
    const watched = signalFor(caller);
    const { signal } = watched;
    const onDenied = () => {
      owner.watched = undefined;
      watched[Symbol.dispose]();
      // Where the token alone was revoked its step goes on, and comes back with another.
      if ((signal.reason as VerificationError).metadata["state"] === undefined) return;
      for (const id of owner.ids) leave(id, owner);
      owners.delete(name);
      for (const id of owner.ids) ended(id);
    };
    owner.watched = watched;
    if (signal.aborted) onDenied();
    else signal.addEventListener("abort", onDenied, { once: true });
  }

  function leave(id: string, { agent }: Owner): void {
    sessions.delete(id);
    const ofAgent = agents.get(agent);
    ofAgent?.delete(id);
    if (ofAgent?.size === 0) agents.delete(agent);
  }

  function forget(id: string): void {
    const name = sessions.get(id) ?? "";
    const owner = owners.get(name);
    if (owner === undefined) return;
    leave(id, owner);
    owner.ids.delete(id);
    if (owner.ids.size > 0) return;
    owner.watched?.[Symbol.dispose]();
    owners.delete(name);
  }

  function end(id: string): void {
    forget(id);
    ended(id);
  }

  function use(id: string, name: string, owner: Owner): void {
    sessions.delete(id);
    sessions.set(id, name);
    const ofAgent = agents.get(owner.agent) ?? new Set();
    agents.set(owner.agent, ofAgent);
    for (const ids of [owner.ids, ofAgent]) {
      ids.delete(id);
      ids.add(id);
    }
  }

  /** Ends the idlest of these, where they are more than they may be. */
  function bound(ids: Pick<Set<string> | Map<string, string>, "keys" | "size">, max: number): void {
    const [idlest] = ids.keys();
    if (ids.size > max && idlest !== undefined) end(idlest);
  }

  return {
    isOf(id, caller) {
      const name = nameOf(by, caller);
      const owner = owners.get(name);
      if (owner === undefined || sessions.get(id) !== name) return false;
      use(id, name, owner);
      watch(name, owner, caller);
      return true;
    },
    bind(id, caller) {
      if (sessions.has(id) || id.length > ID_CHARACTERS_MAX) return;
      const name = nameOf(by, caller);
      const owner = owners.get(name) ?? { ids: new Set(), agent: caller.step.agent, watched: undefined };
      owners.set(name, owner);
      use(id, name, owner);
      watch(name, owner, caller);
      bound(owner.ids, SESSIONS_PER_OWNER_MAX);
      bound(agents.get(owner.agent) ?? new Set(), SESSIONS_PER_AGENT_MAX);
      bound(sessions, SESSIONS_MAX);
    },
    forget,
    get size() {
      return sessions.size;
    },
  };
}

/** A SPIFFE ID names one attempt of a step; a run's name is its agent's own. */
function nameOf(by: SessionOwner, { spiffeId, step }: VerifiedStep): string {
  return by === "step" ? spiffeId : `${step.agent}/run/${step.runId}`;
}
