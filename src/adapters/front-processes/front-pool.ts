import type { Socket } from "node:net";
import { type FrontProcess, type FrontServing, startFrontProcess, TICK_MS } from "./front-process.ts";

/** The front ends of a broker: as many processes as are wanted, each started again when it ends. */
export type FrontPool = {
  /**
   * Lets them begin, once the ledger can be followed. Resolves when all serve, or after a while without those that do not.
   *
   * @param settings - what each is to know before it can begin; JSON.
   * @param sequence - how far the ledger is.
   */
  start(settings: unknown, sequence: number, serving: FrontServing): Promise<void>;
  /**
   * Gives a connection to the front end with the fewest.
   *
   * @param ended - called once no front end has a part in the connection any more.
   * @returns `false` while none serves
   */
  take(connectionId: string, socket: Socket, ended: () => void): boolean;
  /** To be called after each commit. */
  committed(sequence: number): void;
  /** Resolves to `true` when each front end that serves follows so far. One that does not within a second is killed. */
  reached(sequence: number): Promise<boolean>;
  setLevel(level: string): void;
  /** Lets them finish their calls, and ends what has not ended by then. */
  stop(): Promise<void>;
};

export type FrontPoolOptions = {
  /** File of the program of a front end. */
  readonly entry: URL;
  readonly count: number;
  /** How many connections one of them takes; the ledger's process serves who comes after these. */
  readonly connectionsMax: number;
  /** Told of a front end that ended though nobody wanted it to. */
  readonly lost: (facts: { readonly front: number; readonly why: string }) => void;
};

/** A front end that can't be had must not keep the broker from starting: it serves by itself until there is one. */
const START_MS_MAX = 10_000;
/** Calls in flight have two seconds; then the process has to end. */
const STOP_MS_MAX = 4_000;
/** Where nobody waits, what is committed meanwhile is told at once: a message a credential would cost as much as its draft. */
const TELL_MS = 10;
const RESTART_MS_MIN = 100;
const RESTART_MS_MAX = 10_000;
/** Whoever has served for so long is no program that can't start. */
const WELL_MS = 10_000;

/** The processes start at once, to load the program while the ledger is opened. */
export function createFrontPool({ entry, count, connectionsMax, lost }: FrontPoolOptions): FrontPool {
  const early = Array.from({ length: count }, (_, index) => index + 1);
  const fronts = new Map<number, FrontProcess>();
  const restarts = new Set<NodeJS.Timeout>();
  let given: { readonly settings: unknown; readonly serving: FrontServing } | undefined;
  let head = 0;
  let losses = 0;
  let level: string | undefined;
  let telling: NodeJS.Timeout | undefined;
  let isStopping = false;
  let changed: () => void = () => undefined;

  /** What is called before there is anything to serve with is what no front end calls before it was started. */
  const serving: FrontServing = {
    answer: (question, asked) => given?.serving.answer(question, asked) ?? Promise.reject(new Error("not started")),
    unheard: (question, result) => given?.serving.unheard(question, result),
    relay: (connectionId, socket) => given?.serving.relay(connectionId, socket),
    count: (request) => given?.serving.count(request),
    line: (text, front) => given?.serving.line(text, front),
    failed: (error) => given?.serving.failed(error),
    suspended: () => given?.serving.suspended(),
  };

  function launch(number: number, delayMs: number): void {
    const startedAt = performance.now();
    let why = "it ended by itself";
    const front = startFrontProcess({ entry, number }, serving, {
      changed: () => changed(),
      killed(because) {
        why = because;
      },
    });
    fronts.set(number, front);
    if (given !== undefined) begin(front, given.settings);
    void front.ended.then(() => {
      fronts.delete(number);
      losses += 1;
      changed();
      if (isStopping) return;
      lost({ front: number, why });
      const nextMs = performance.now() - startedAt > WELL_MS ? RESTART_MS_MIN : delayMs;
      const timer = setTimeout(() => {
        restarts.delete(timer);
        launch(number, Math.min(2 * nextMs, RESTART_MS_MAX));
      }, nextMs).unref();
      restarts.add(timer);
    });
  }

  function begin(front: FrontProcess, settings: unknown): void {
    front.start(settings, head);
    if (level !== undefined) front.setLevel(level);
  }

  for (const number of early) launch(number, RESTART_MS_MIN);
  const ticking = setInterval(() => {
    for (const front of fronts.values()) front.tick();
  }, TICK_MS).unref();

  function tellHead(): void {
    clearTimeout(telling);
    telling = undefined;
    for (const front of fronts.values()) front.follow(head);
  }

  return {
    async start(settings, sequence, servingNow) {
      given = { settings, serving: servingNow };
      head = Math.max(head, sequence);
      for (const front of fronts.values()) begin(front, settings);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, START_MS_MAX);
        changed = () => {
          const ready = [...fronts.values()].filter((front) => front.isServing()).length;
          // One that could not start once is not waited for.
          if (ready + losses < count && !isStopping) return;
          clearTimeout(timer);
          resolve();
        };
        changed();
      });
      changed = () => undefined;
    },
    take(connectionId, socket, ended) {
      const ready = [...fronts.values()].filter((front) => front.isServing() && front.connections() < connectionsMax);
      const [fewest] = ready.toSorted((one, other) => one.connections() - other.connections());
      fewest?.take(connectionId, socket, ended);
      return fewest !== undefined;
    },
    committed(sequence) {
      head = sequence;
      telling ??= setTimeout(tellHead, TELL_MS).unref();
    },
    async reached(sequence) {
      if (telling !== undefined) tellHead();
      await Promise.all([...fronts.values()].map((front) => front.reached(sequence)));
      return true;
    },
    setLevel(wanted) {
      level = wanted;
      for (const front of fronts.values()) front.setLevel(wanted);
    },
    async stop() {
      isStopping = true;
      clearInterval(ticking);
      for (const timer of restarts) clearTimeout(timer);
      changed();
      const all = [...fronts.values()];
      for (const front of all) front.stop();
      const late = setTimeout(() => {
        for (const front of all) front.kill();
      }, STOP_MS_MAX);
      await Promise.all(all.map(({ ended }) => ended));
      clearTimeout(late);
    },
  };
}
