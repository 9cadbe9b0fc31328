import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { type Problem, problemOf } from "../api/problem.ts";
import { type Live, live, onLive } from "./live.ts";

export function useLive(): Live {
  const [now, setNow] = useState(live);
  useEffect(() => onLive(() => setNow(live())), []);
  return now;
}

/** What a page shows: what was loaded last stays, while it is loaded anew and where that fails. */
export type Loaded<Data> = {
  readonly data: Data | undefined;
  readonly problem: Problem | undefined;
  readonly reload: () => void;
};

/** At most a fifth of the time is spent asking. */
const REST_SHARE = 4;
/** Where the ledger grows without a pause, a page asks less often. */
const BUSY_REST_MS = 3_000;
const RETRY_MS = 2_000;

/**
 * Loads, and loads anew whenever the ledger has grown.
 *
 * @param on - what is loaded depends on these.
 * @param options.restMs - at least so long between two loads; absent: none.
 */
export function useLoaded<Data>(
  load: (signal: AbortSignal) => Promise<Data>,
  on: readonly unknown[],
  { restMs = 0, once = false }: { readonly restMs?: number; readonly once?: boolean } = {},
): Loaded<Data> {
  const [data, setData] = useState<Data>();
  const [problem, setProblem] = useState<Problem>();
  const wake = useRef<() => void>(() => undefined);
  const reload = useCallback(() => wake.current(), []);

  useEffect(() => {
    const ending = new AbortController();
    const { signal } = ending;
    setData(undefined);
    setProblem(undefined);
    let wanted = Promise.withResolvers<void>();
    wake.current = () => wanted.resolve();
    let loadedSequence = -1n;
    const end = once ? () => undefined : onLive(() => live().sequence !== loadedSequence && wanted.resolve());
    signal.addEventListener("abort", () => wanted.resolve());

    async function run(): Promise<void> {
      while (!signal.aborted) {
        wanted = Promise.withResolvers();
        loadedSequence = live().sequence;
        const began = performance.now();
        let failed = false;
        try {
          const loaded = await load(signal);
          if (signal.aborted) return;
          setData(loaded);
          setProblem(undefined);
        } catch (thrown) {
          if (signal.aborted) return;
          const found = problemOf(thrown);
          setProblem(found);
          failed = found.isAway;
        }
        const ended = performance.now();
        const rest = Math.max(REST_SHARE * (ended - began), restMs, live().isBusy ? BUSY_REST_MS : 0);
        await new Promise((resolve) => setTimeout(resolve, failed ? RETRY_MS : rest));
        if (failed || (!once && live().sequence !== loadedSequence)) continue;
        await wanted.promise;
      }
    }
    void run();
    return () => {
      end();
      ending.abort();
    };
  }, on);

  return { data, problem, reload };
}
