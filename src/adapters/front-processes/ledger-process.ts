import type { Socket } from "node:net";
import process from "node:process";
import { type Denial, errorOf } from "../../domain/errors.ts";
import { createFrontChannel } from "./front-channel.ts";
import type { CountedRequest, FromFront, Outcome, ToFront } from "./front-messages.ts";
import { handleOf, unreadSocket } from "./handed-socket.ts";

/** The process of the ledger, as a front end sees it. */
export type LedgerProcess = {
  /** What this front end was started with. */
  readonly number: number;
  readonly settings: unknown;
  /** How far the ledger was then. */
  readonly sequence: number;
  /** @throws BrokerError as there; Error for a bug or a fault there, or when that process is gone */
  ask(question: string, given: unknown): Promise<unknown>;
  /** Tells that connections can be taken. */
  serve(serving: FrontCalls): void;
  /** Hands over one end of a socket pair, by which calls of a connection go to the ledger's process. The descriptor is closed here. */
  relay(connectionId: string, fd: number): void;
  /** Tells that this front end has no part in a connection any more. */
  ended(connectionId: string): void;
  count(request: CountedRequest): void;
};

/** What the ledger's process asks of a front end. */
export type FrontCalls = {
  /** Serves a connection: paused, of which nothing was read. */
  take(connectionId: string, socket: Socket): void;
  /** Resolves to whether everything here follows the ledger so far. @param suspended - why nothing is issued at present, if so */
  follow(sequence: number, suspended: Denial | undefined): Promise<boolean>;
  setLevel(level: string): void;
  /** Lets calls in flight finish; the process ends after that. */
  stop(): Promise<void>;
};

type Waiting = { readonly resolve: (result: unknown) => void; readonly reject: (error: Error) => void };

/** Requests are counted soon enough for whoever scrapes every second, and not one by one. */
const COUNT_MS = 250;

/**
 * Waits to be started by the process of the ledger. A front end ends with that process, whatever it is doing.
 *
 * @returns `undefined` for a process that was not started by one
 */
export async function startedByLedger(): Promise<LedgerProcess | undefined> {
  if (process.send === undefined) return undefined;
  // Signals are for the ledger's process, which says when a front end is to end; a service's manager sends them to all.
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => undefined);
  process.once("disconnect", () => process.exit(1));

  const started = Promise.withResolvers<Extract<ToFront, { kind: "start" }>>();
  const waiting = new Map<number, Waiting>();
  let calls: FrontCalls | undefined;
  let lastId = 0;
  let answers = 0;
  let counted: CountedRequest[] = [];
  const channel = createFrontChannel<FromFront, ToFront>(process, receive);

  function receive(message: ToFront, handle: unknown): void {
    switch (message.kind) {
      case "start":
        started.resolve(message);
        break;
      case "connection":
        if (handle === undefined) channel.post({ kind: "ended", connectionId: message.connectionId });
        else calls?.take(message.connectionId, unreadSocket({ handle }));
        break;
      case "follow":
        void follow(message);
        break;
      case "level":
        calls?.setLevel(message.level);
        break;
      case "answer":
        answers += 1;
        settle(message.id, message.outcome);
        break;
      case "stop":
        void stop();
        break;
    }
  }

  async function follow({ sequence, suspended }: Extract<ToFront, { kind: "follow" }>): Promise<void> {
    if ((await calls?.follow(sequence, suspended)) === true) channel.post({ kind: "followed", sequence, answers });
  }

  function settle(id: number, outcome: Outcome): void {
    const one = waiting.get(id);
    waiting.delete(id);
    if (outcome.kind === "done") one?.resolve(outcome.result);
    else
      one?.reject(outcome.kind === "refused" ? errorOf(outcome.refusal) : new Error("failed in the ledger's process"));
  }

  async function stop(): Promise<void> {
    await calls?.stop();
    channel.hand({ kind: "counted", requests: counted }, undefined, () => process.exit(0));
  }

  function tellCounted(): void {
    if (counted.length === 0) return;
    channel.post({ kind: "counted", requests: counted });
    counted = [];
  }
  setInterval(tellCounted, COUNT_MS).unref();

  const { number, settings, sequence } = await started.promise;
  return {
    number,
    settings,
    sequence,
    ask(question, given) {
      lastId += 1;
      const id = lastId;
      channel.post({ kind: "ask", id, question, given });
      return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
    },
    serve(serving) {
      calls = serving;
      channel.post({ kind: "ready" });
    },
    relay(connectionId, fd) {
      const socket = unreadSocket({ fd });
      channel.hand({ kind: "relay", connectionId }, handleOf(socket), () => socket.destroy());
    },
    ended: (connectionId) => channel.post({ kind: "ended", connectionId }),
    count: (request) => void counted.push(request),
  };
}
