import { expect, onTestFinished } from "vitest";
import { parseSpiffeBundle } from "../../src/domain/bundle.ts";
import { BrokerError } from "../../src/domain/errors.ts";
import type { FederationRelationship, FederationRelationshipInput } from "../../src/domain/federation.ts";
import { parseTrustDomain } from "../../src/domain/spiffe-id.ts";
import { addMicros, type UnixMicros } from "../../src/domain/time.ts";
import {
  type Federation,
  type FederationPorts,
  type FederationState,
  keepFederation,
} from "../../src/federation/federation.ts";
import type { BundleEndpoint } from "../../src/ports/bundle-endpoint.ts";
import type { Ledger } from "../../src/ports/ledger.ts";
import type { LedgerAct } from "../../src/ports/ledger-acts.ts";
import { OPERATOR, ports } from "../contract/ledger-world.ts";
import { openMemoryLedger } from "../memory/memory-ledger.ts";
import { FOREIGN, published } from "./foreign-bundle.ts";

export const OWN = parseTrustDomain("example.org");

/** What a relationship with `FOREIGN` begins with, unless a test says otherwise. */
export const WEB: FederationRelationshipInput = {
  trustDomain: FOREIGN,
  bundleEndpointUrl: "https://foreign.example/bundle",
  profile: { kind: "https_web" },
};

export const spiffe = (endpointSpiffeId: string, trustDomain: string = FOREIGN): FederationRelationshipInput => ({
  ...WEB,
  trustDomain,
  profile: { kind: "https_spiffe", endpointSpiffeId },
});

/** A question to an endpoint. It stays open until it is answered, aborted or not: no endpoint is as slow to listen. */
export type Question = {
  readonly relationship: FederationRelationship;
  readonly spiffeAuthorities: readonly Uint8Array[];
  readonly signal: AbortSignal;
  readonly answer: (text: string) => void;
  readonly refuse: (error: Error) => void;
};

export const NOT_REACHED = new BrokerError("NOT_SERVING", "the bundle endpoint can't be reached", { detail: "ECONN" });

export type Scene = Awaited<ReturnType<typeof openScene>>;

/** A ledger that outlives the keepers which are started on it, and endpoints that answer when they are told to. */
export async function openScene() {
  const given = ports();
  const store = await openMemoryLedger(given);
  const { clock } = given;
  const asked: Question[] = [];
  const failures: unknown[] = [];
  let federation: Federation | undefined;
  let changes = 0;
  let isDiskFull = false;

  const endpoint: BundleEndpoint = {
    fetchBundle: (relationship, { spiffeAuthorities, signal }) =>
      new Promise((answer, refuse) => {
        asked.push({ relationship, spiffeAuthorities, signal, answer, refuse });
      }),
  };
  /** Called once an act is on record, and before whoever performed it hears of that. */
  let afterAct: (act: LedgerAct) => Promise<void> = async () => undefined;
  const perform: Ledger["perform"] = async (act) => {
    if (isDiskFull) throw new BrokerError("LEDGER_UNAVAILABLE", "the ledger's disk is full");
    const result = await store.ledger.perform(act);
    await afterAct(act);
    return result;
  };
  onTestFinished(async () => {
    federation?.stop();
    expect(clock.pending()).toBe(0);
    await store.close();
  });

  /** The question that was asked last. */
  function question(): Question {
    const last = asked.at(-1);
    if (last === undefined) throw new Error("nothing was asked");
    return last;
  }

  /** The keeper that runs. */
  function running(): Federation {
    if (federation === undefined) throw new Error("not started");
    return federation;
  }

  /** Lets the question that is under way have this answer, and gives the state once that was dealt with. */
  async function answered(text: string | Error, trustDomain: string = FOREIGN): Promise<FederationState> {
    const before = asked.length;
    const state = running().refresh(trustDomain);
    // It was under way: `refresh` joined it.
    expect(asked).toHaveLength(before);
    const { answer, refuse } = question();
    if (typeof text === "string") answer(text);
    else refuse(text);
    return state;
  }

  const advance = (seconds: number) => clock.advance(seconds * 1_000);

  return {
    clock,
    asked,
    failures,
    question,
    changes: () => changes,
    head: () => store.ledger.head().sequence,
    recorded: async () => (await store.projections.federations()).value,
    afterAct(listener: (act: LedgerAct) => Promise<void>): void {
      afterAct = listener;
    },
    fillDisk(full: boolean): void {
      isDiskFull = full;
    },
    /** Ends the keeper that runs, and starts one on what the ledger has. */
    async start(own: Partial<FederationPorts> = {}): Promise<Federation> {
      federation?.stop();
      federation = await keepFederation({
        trustDomain: OWN,
        ownAuthorities: () => [],
        ledger: { ...store.ledger, perform },
        projections: store.projections,
        endpoint,
        clock,
        // Halfway: nothing is earlier or later than it is said to be.
        randomness: { bytes: (count) => new Uint8Array(count).fill(0x80, 0, 1) },
        leftOut: (_trustDomain, why) => void failures.push(why),
        failed: (error) => void failures.push(error),
        ...own,
      });
      federation.onChange(() => {
        changes += 1;
      });
      return federation;
    },
    answered,
    advance,
    inSeconds: (seconds: number): UnixMicros => addMicros(clock.now(), seconds * 1_000_000),
    /** Begins a relationship whose first bundle this is. */
    async federated(text = published({ sequence: 5 })): Promise<void> {
      await running().create(WEB, undefined, OPERATOR);
      advance(0);
      await answered(text);
    },
    /** Of the keys for JWT-SVIDs that are in force. */
    kids: () => [...parseSpiffeBundle(running().of(FOREIGN)?.document ?? '{"keys":[]}').jwtKeys.keys()],
  };
}
