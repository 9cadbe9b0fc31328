import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { createCursorSeal } from "../../../src/adapters/cursor-seal/cursor-seal.ts";
import { createAdmission } from "../../../src/api/grpc/admission.ts";
import { createFeedMessages } from "../../../src/api/grpc/feed-messages.ts";
import { revocationsHandlers } from "../../../src/api/grpc/revocations.ts";
import { attest } from "../../../src/attest/attest.ts";
import { keepDenialsInForce } from "../../../src/close/denials-in-force.ts";
import { createNotifier, type Notifier } from "../../../src/close/notify.ts";
import { createReceiptBook, type ReceiptBook } from "../../../src/close/receipts.ts";
import { sealCursor } from "../../../src/close/watch.ts";
import { BrokerError } from "../../../src/domain/errors.ts";
import { selector } from "../../../src/domain/selector.ts";
import type { Step } from "../../../src/domain/step.ts";
import { Revocations } from "../../../src/gen/stint/v1/revocations_pb.js";
import type { DenyPart, FeedReads } from "../../../src/ports/ledger-reads.ts";
import { createEntryIndex } from "../../../src/registry/entry-index.ts";
import { openChannel } from "../../../src/wire/channel.ts";
import { addService } from "../../../src/wire/service-definition.ts";
import { ports, processOf, type World, worldOf } from "../../contract/ledger-world.ts";
import { openMemoryLedger } from "../../memory/memory-ledger.ts";

/** In which watchers begin at one time. */
export const PLACES = 4;

/** The feed's service alone, on a socket, over a ledger in memory: for what a whole broker would take minutes to fill. */
export type ServedFeed = {
  readonly world: World;
  readonly socket: string;
  readonly channel: ReturnType<typeof openChannel>;
  readonly receipts: ReceiptBook;
  readonly verifierEntryId: string;
  /** How many the notifier delivers to. */
  subscribed(): number;
  /** From here on nobody can be told the bundle, until the function returned is called. */
  withholdBundle(): () => void;
  /** What the log and readiness were told. */
  readonly faults: readonly string[];
  /** Keeps back what the ledger answers to reads of the feed, until the function returned is called. */
  holdReads(): () => void;
  cursorAt(sequence: number, epoch?: string): Uint8Array;
  /** Opens this many steps at the watched place, each with a token. */
  openSteps(count: number): Promise<readonly Step[]>;
  close(): Promise<void>;
};

/**
 * @param manifold - every denial of the ledger stands for this many, with ids of their own, as if each step had had as
 *   many descendants.
 */
export async function serveFeed(manifold = 1): Promise<ServedFeed> {
  const given = ports();
  const { clock } = given;
  const store = await openMemoryLedger(given);
  const { ledger, history, credentials } = store;
  let reads = Promise.resolve();
  const feed = multiplied(
    {
      async *denied(...range) {
        await reads;
        yield* store.feed.denied(...range);
      },
      inForce: store.feed.inForce,
    },
    manifold,
  );
  const world = worldOf(store, given);
  const agent = await world.agent();
  const verifier = await world.verifier();
  const entries = createEntryIndex();
  for (const entry of [agent, verifier]) entries.put(entry);

  const faults: string[] = [];
  const failed = (error: unknown) => void faults.push(String(error));
  const told = createNotifier({ ledger, feed, failed });
  let subscribed = 0;
  const notifier: Notifier = {
    ...told,
    subscribe(deliver) {
      const { from, unsubscribe } = told.subscribe(deliver);
      subscribed += 1;
      return {
        from,
        unsubscribe() {
          subscribed -= 1;
          unsubscribe();
        },
      };
    },
  };
  let isBundleWithheld = false;
  const receipts = createReceiptBook({ entries, clock });
  const seal = createCursorSeal(Buffer.alloc(32, 7));
  const names = { issuer: "https://broker.example.org", caNameOf: () => undefined };
  const messages = createFeedMessages({ ledger, seal, names });
  const denyList = keepDenialsInForce({ ledger, feed, notifier: told, clock, formOf: messages.formOf });
  const attestor = {
    attest: async () => ({
      selectors: new Set([selector("unix:uid", 1_003)]),
      process: processOf(1),
      uid: 1_003,
      sharesPids: true,
      ancestors: () => [],
      unavailable: [],
    }),
  };
  const refuse = () => Promise.reject(new BrokerError("NOT_SERVING", "the feed alone is served"));
  const refuseNow = () => {
    throw new BrokerError("NOT_SERVING", "the feed alone is served");
  };
  const bounds = { atOnce: PLACES, perTurn: 2, waitingPerPartyMax: 1_000, waitMsMax: 8_000, stayMsMax: 500 };
  const server = new Server();
  addService(
    server,
    Revocations,
    revocationsHandlers(
      {
        peerOf: () => ({ connectionId: "one", uid: 1_003, pid: 1 }),
        attest: (peer) => attest(peer, { attestor, entries }),
        log: {
          request: () => undefined,
          fault: (what, error) => void faults.push(`${what}: ${String(error)}`),
          warning: (what) => void faults.push(what),
          recurring: () => undefined,
          info: () => undefined,
        },
        clock,
      },
      {
        ledger,
        history,
        credentials,
        notifier,
        confirmed: async () => undefined,
        messages,
        denyList,
        receipts,
        principals: { idOf: refuseNow, open: refuse },
        entries,
        seal,
        clock,
        watchersMax: 1_000,
        admission: createAdmission(bounds, "watchers", clock),
        bundle() {
          if (isBundleWithheld) throw new BrokerError("NOT_SERVING", "the authorities are behind the ledger");
          return {
            case: "bundle",
            value: { trustDomain: "spiffe://example.org", jwks: Buffer.from('{"keys":[]}') },
          };
        },
        onBundleChange: () => () => undefined,
        federated: { of: () => undefined, onChange: () => () => undefined },
        onFederatingChange: () => () => undefined,
        rolledBack: (why) => void faults.push(why),
        processes: { watch: () => () => undefined, find: () => undefined },
        disableEntry: refuse,
        inForce: () => Promise.resolve(),
      },
    ),
  );
  const directory = mkdtempSync(join(tmpdir(), "stint-feed-"));
  const socket = join(directory, "feed.sock");
  await new Promise<void>((resolve, reject) =>
    server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(error),
    ),
  );
  const channel = openChannel(socket);

  return {
    world,
    socket,
    channel,
    receipts,
    verifierEntryId: verifier.entryId,
    faults,
    subscribed: () => subscribed,
    withholdBundle() {
      isBundleWithheld = true;
      return () => {
        isBundleWithheld = false;
      };
    },
    holdReads() {
      const { promise, resolve } = Promise.withResolvers<void>();
      reads = promise;
      return resolve;
    },
    cursorAt: (sequence, epoch = ledger.head().epoch) => sealCursor(seal, { epoch, sequence }),
    async openSteps(count) {
      const opening = Array.from({ length: count }, () => world.open(agent));
      const steps = await Promise.all(opening);
      await Promise.all(steps.map((step) => world.issue(step)));
      return steps;
    },
    async close() {
      channel.close();
      server.forceShutdown();
      notifier.close();
      await store.close();
      rmSync(directory, { recursive: true });
    },
  };
}

function multiplied(feed: FeedReads, manifold: number): FeedReads {
  const each = ({ entries, through }: DenyPart): DenyPart => ({
    entries: entries.flatMap((entry) =>
      Array.from({ length: manifold }, (_, index) => {
        const { subject } = entry;
        const isFirst = index === 0 || subject.kind !== "step";
        return isFirst ? entry : { ...entry, subject: { ...subject, stepId: `${subject.stepId}-${index}` } };
      }),
    ),
    through,
  });
  return {
    async *denied(...range) {
      for await (const part of feed.denied(...range)) yield each(part);
    },
    async *inForce(now) {
      for await (const entries of feed.inForce(now)) yield each({ entries, through: 0 }).entries;
    },
  };
}
