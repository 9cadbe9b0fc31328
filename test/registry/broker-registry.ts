import type { Actor } from "../../src/domain/actor.ts";
import { type EntryContentInput, parseEntryContent } from "../../src/domain/entry-content.ts";
import type { LocalAccounts } from "../../src/domain/local-accounts.ts";
import type { EntryContent } from "../../src/domain/registration-entry.ts";
import { parseTrustDomain } from "../../src/domain/spiffe-id.ts";
import { keepStepDirectory } from "../../src/follow/step-directory.ts";
import { reachedBy } from "../../src/main/in-force.ts";
import { keepEntryDirectory } from "../../src/registry/entry-directory.ts";
import { createRegistry, type UsersApart } from "../../src/registry/registry.ts";
import { ports, type World, worldOf } from "../contract/ledger-world.ts";
import { openMemoryLedger } from "../memory/memory-ledger.ts";
import { createKernel } from "../simulation/kernel.ts";

export const BY_OPERATOR: Actor = { kind: "operator", entryId: "entry_operator", uid: 0 };
export const BY_CONFIG: Actor = { kind: "broker", cause: "config" };
export const BROKER_UID = 990;
const ACCOUNTS: LocalAccounts = {
  users: [
    { name: "stint", uid: BROKER_UID, gid: BROKER_UID },
    { name: "ops", uid: 1003, gid: 1003 },
    { name: "nine", uid: 1009, gid: 1009 },
  ],
  groups: [
    { name: "stint", gid: BROKER_UID, members: [] },
    { name: "operators", gid: 500, members: ["ops"] },
  ],
};

export const SEARCH = "https://mcp.example.org/search";
export const FILES = "https://mcp.example.org/files";
export const READ = {
  type: "mcp_tool",
  locations: [SEARCH],
  identifier: "search",
  actions: ["read"],
  datatypes: ["a"],
};
export const WRITE = { ...READ, locations: [FILES], identifier: "write", actions: ["write"] };

export const agent = (own: Partial<Extract<EntryContentInput, { kind: "agent" }>> = {}): EntryContent =>
  parseEntryContent({
    kind: "agent",
    name: "researcher",
    selectors: ["unix:uid:1001"],
    ceiling: [READ, WRITE],
    ...own,
  });
export const runtime = (own: Partial<Extract<EntryContentInput, { kind: "runtime" }>> = {}): EntryContent =>
  parseEntryContent({ kind: "runtime", name: "flow", selectors: ["unix:uid:1002"], agents: ["researcher"], ...own });
export const operator = (own: Partial<Extract<EntryContentInput, { kind: "operator" }>> = {}): EntryContent =>
  parseEntryContent({ kind: "operator", name: "ops", selectors: ["unix:uid:1003"], role: "admin", ...own });

/** A registry over a ledger in memory. */
export async function brokerRegistry(
  apart: UsersApart | undefined = { own: { uid: BROKER_UID, gids: [BROKER_UID] }, accounts: () => ACCOUNTS },
) {
  const given = ports();
  const store = await openMemoryLedger(given);
  const world: World = worldOf(store, given);
  const failed = (error: unknown) => {
    throw error;
  };
  const create = async () => {
    const entries = await keepEntryDirectory({ ...store, failed });
    const steps = await keepStepDirectory({ ...createKernel(), ...store, failed });
    const registry = createRegistry({
      ledger: store.ledger,
      steps,
      entries,
      trustDomain: parseTrustDomain("example.org"),
      clock: given.clock,
      random: given.randomness,
      apart,
      inForce: reachedBy(entries.following, steps.following),
    });
    return { entries, registry };
  };
  return {
    world,
    ...(await create()),
    /** As after a restart: a new registry on what the ledger has. */
    again: create,
    close: () => store.close(),
  };
}
