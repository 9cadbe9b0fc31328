import type { Socket } from "node:net";
import { createInterface } from "node:readline";
import { BrokerError, type Denial, denialFrom } from "../../domain/errors.ts";
import { startProcess } from "../../package/start.ts";
import { createFrontChannel } from "./front-channel.ts";
import type { CountedRequest, FromFront, Outcome, ToFront } from "./front-messages.ts";
import { handleOf, unreadSocket } from "./handed-socket.ts";

/** What the process of the ledger does for its front ends. */
export type FrontServing = {
  /** @throws BrokerError, which is told to who asks; anything else goes to the log */
  answer(question: string, given: unknown): Promise<unknown>;
  /** Told of an answer that its front end did not take before it ended. */
  unheard(question: string, result: unknown): void;
  /** Serves calls of a connection that was handed over. */
  relay(connectionId: string, socket: Socket): void;
  count(request: CountedRequest): void;
  /** Takes a line that a front end wrote to standard error. */
  line(text: string, front: number): void;
  failed(error: unknown): void;
  /** Why nothing is issued at present, if so. */
  suspended(): Denial | undefined;
};

/** One front end, from its start to its end. */
export type FrontProcess = {
  readonly number: number;
  readonly pid: number | undefined;
  /** Whether it takes connections: it has followed all that was in force when it was asked. */
  isServing(): boolean;
  connections(): number;
  start(settings: unknown, sequence: number): void;
  /** Gives it a connection. @param ended - called once it has no part in the connection any more */
  take(connectionId: string, socket: Socket, ended: () => void): void;
  follow(sequence: number): void;
  /** Resolves when it follows so far, or can answer nobody any more: it has ended, or has not begun. */
  reached(sequence: number): Promise<void>;
  setLevel(level: string): void;
  /** To be called every `TICK_MS`. */
  tick(): void;
  /** Lets it finish its calls. */
  stop(): void;
  kill(): void;
  readonly ended: Promise<void>;
};

export const TICK_MS = 100;
/** Somebody waits for the answer that depends on it: one second. */
const WAITED_TICKS_MAX = 10;
/** Nobody waits, but its callers might: five seconds, in which a busy machine gives every process a turn. */
const SILENT_TICKS_MAX = 50;
/** How often it has to show that it lives, where nothing is recorded. */
const IDLE_TICKS = 5;

type Waiter = { readonly sequence: number; ticks: number; readonly settle: () => void };

/**
 * Starts a front end: this program again, by a file of its own that serves nobody without this channel.
 *
 * @param events.changed - called when it begins to serve.
 * @param events.killed - told why, before it is killed.
 */
export function startFrontProcess(
  { entry, number }: { readonly entry: URL; readonly number: number },
  serving: FrontServing,
  events: { changed(): void; killed(why: string): void },
): FrontProcess {
  const child = startProcess(entry, { stdio: ["ignore", "ignore", "pipe", "ipc"], serialization: "json" });
  const channel = createFrontChannel<ToFront, FromFront>(child, receive);
  const held = new Map<string, { readonly socket: Socket; readonly ended: () => void }>();
  const waiters = new Set<Waiter>();
  /** What was answered and may not be taken yet, in order. */
  const unheard: { readonly question: string; readonly result: unknown }[] = [];
  let answersHeard = 0;
  let state: "starting" | "joining" | "serving" | "ended" = "starting";
  let head = 0;
  let told = 0;
  let followed = 0;
  /** Ticks since it was told of what it has not followed. */
  let silentTicks = 0;
  let idleTicks = 0;

  function receive(message: FromFront, handle: unknown): void {
    switch (message.kind) {
      case "ready":
        state = "joining";
        tellHead();
        break;
      case "ended":
        leave(message.connectionId);
        break;
      case "relay":
        // Out of descriptors there is none, and the other end sees that its own is closed.
        if (handle !== undefined) serving.relay(message.connectionId, unreadSocket({ handle }));
        break;
      case "followed":
        hasFollowed(message);
        break;
      case "ask":
        void answer(message);
        break;
      case "counted":
        for (const request of message.requests) serving.count(request);
        break;
    }
  }

  function hasFollowed({ sequence, answers }: Extract<FromFront, { kind: "followed" }>): void {
    unheard.splice(0, answers - answersHeard);
    answersHeard = answers;
    followed = Math.max(followed, sequence);
    silentTicks = 0;
    for (const waiter of waiters) if (waiter.sequence <= followed) waiter.settle();
    if (state === "joining" && followed >= head) {
      state = "serving";
      events.changed();
    }
  }

  async function answer({ id, question, given }: Extract<FromFront, { kind: "ask" }>): Promise<void> {
    const outcome = await outcomeOf(question, given);
    if (state === "ended") {
      if (outcome.kind === "done") serving.unheard(question, outcome.result);
      return;
    }
    unheard.push({ question, result: outcome.kind === "done" ? outcome.result : undefined });
    channel.post({ kind: "answer", id, outcome });
  }

  async function outcomeOf(question: string, given: unknown): Promise<Outcome> {
    try {
      return { kind: "done", result: await serving.answer(question, given) };
    } catch (thrown) {
      if (thrown instanceof BrokerError) return { kind: "refused", refusal: denialFrom(thrown) };
      serving.failed(thrown);
      return { kind: "failed" };
    }
  }

  function leave(connectionId: string): void {
    const one = held.get(connectionId);
    held.delete(connectionId);
    one?.socket.destroy();
    one?.ended();
  }

  function tellHead(): void {
    told = head;
    idleTicks = 0;
    const suspended = serving.suspended();
    channel.post({ kind: "follow", sequence: head, ...(suspended === undefined ? {} : { suspended }) });
  }

  function kill(why: string): void {
    if (state === "ended") return;
    events.killed(why);
    child.kill("SIGKILL");
  }

  function end(): void {
    state = "ended";
    for (const waiter of waiters) waiter.settle();
    for (const connectionId of [...held.keys()]) leave(connectionId);
    for (const { question, result } of unheard.splice(0)) if (result !== undefined) serving.unheard(question, result);
  }

  if (child.stderr !== null) createInterface({ input: child.stderr }).on("line", (text) => serving.line(text, number));
  const ended = new Promise<void>((resolve) => {
    child.once("error", (error) => {
      serving.failed(error);
      end();
      resolve();
    });
    child.once("exit", () => {
      end();
      resolve();
    });
  });

  return {
    number,
    pid: child.pid,
    isServing: () => state === "serving",
    connections: () => held.size,
    start(settings, sequence) {
      head = sequence;
      channel.post({ kind: "start", number, settings, sequence });
    },
    take(connectionId, socket, hasEnded) {
      held.set(connectionId, { socket, ended: hasEnded });
      // The descriptor here must go, or the client would never see the end of the connection there.
      channel.hand({ kind: "connection", connectionId }, handleOf(socket), () => socket.destroy());
    },
    follow(sequence) {
      head = sequence;
      if (state === "joining" || state === "serving") tellHead();
    },
    reached(sequence) {
      if (followed >= sequence || state === "ended" || state === "starting") return Promise.resolve();
      return new Promise((resolve) => {
        const waiter: Waiter = {
          sequence,
          ticks: 0,
          settle() {
            waiters.delete(waiter);
            resolve();
          },
        };
        waiters.add(waiter);
      });
    },
    setLevel: (level) => channel.post({ kind: "level", level }),
    tick() {
      if (state !== "joining" && state !== "serving") return;
      for (const waiter of waiters) waiter.ticks += 1;
      silentTicks += 1;
      idleTicks += 1;
      const isLate = [...waiters].some(({ ticks }) => ticks > WAITED_TICKS_MAX);
      if (isLate || silentTicks > SILENT_TICKS_MAX) kill(isLate ? LATE : SILENT);
      else if (idleTicks >= IDLE_TICKS && told <= followed) tellHead();
    },
    stop: () => channel.post({ kind: "stop" }),
    kill: () => void child.kill("SIGKILL"),
    ended,
  };
}

const LATE = "it did not follow the ledger within a second";
const SILENT = "it was not heard of for five seconds";
