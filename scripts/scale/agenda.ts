/** Virtual time, in seconds. What is due at one instant is done in the order in which it was asked for. */
export type Agenda = {
  now(): number;
  after(seconds: number, work: () => void): void;
  /** Promises go on before the time does: to be called by whatever resolves one. */
  settle(): void;
  run(untilSeconds: number): Promise<void>;
};

type Entry = { readonly due: number; readonly order: number; readonly work: () => void };

export function createAgenda(): Agenda {
  const heap: Entry[] = [];
  let now = 0;
  let order = 0;
  let isUnsettled = false;

  const isBefore = (a: Entry, b: Entry) => a.due < b.due || (a.due === b.due && a.order < b.order);

  function push(entry: Entry): void {
    let at = heap.length;
    heap.push(entry);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || isBefore(above, entry)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = entry;
  }

  function pop(): Entry | undefined {
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      const [left, right] = [heap[2 * at + 1], heap[2 * at + 2]];
      if (left === undefined) break;
      const isRight = right !== undefined && isBefore(right, left);
      const least = isRight ? right : left;
      if (!isBefore(least, last)) break;
      heap[at] = least;
      at = 2 * at + (isRight ? 2 : 1);
    }
    heap[at] = last;
    return first;
  }

  return {
    now: () => now,
    after(seconds, work) {
      order += 1;
      push({ due: now + Math.max(0, seconds), order, work });
    },
    settle() {
      isUnsettled = true;
    },
    async run(untilSeconds) {
      while ((heap[0]?.due ?? Number.POSITIVE_INFINITY) <= untilSeconds) {
        const next = pop();
        if (next === undefined) break;
        now = next.due;
        next.work();
        if (!isUnsettled) continue;
        isUnsettled = false;
        // All that promises lead to is done by then.
        await new Promise<void>((resolve) => void setImmediate(resolve));
      }
      now = untilSeconds;
    },
  };
}

/** One that serves one after the other, in the order in which they come. */
export type Server = {
  serve(seconds: number, done: () => void): void;
  /** For how long it has served so far. */
  busySeconds(): number;
};

export function createServer(agenda: Agenda): Server {
  let freeAt = 0;
  let busy = 0;
  return {
    serve(seconds, done) {
      freeAt = Math.max(freeAt, agenda.now()) + seconds;
      busy += seconds;
      agenda.after(freeAt - agenda.now(), done);
    },
    busySeconds: () => busy,
  };
}

/** Numbers in [0, 1) that are the same for the same seed (mulberry32). */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** @param random - in [0, 1). */
export function exponential(mean: number, random: () => number): number {
  return -mean * Math.log1p(-random());
}
