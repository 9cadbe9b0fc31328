import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { HISTORY_LISTS, type HistoryList } from "../../domain/history-filter.ts";
import { type Problem, problemOf } from "../api/problem.ts";
import { brokerNow } from "../live/broker-time.ts";
import { useLive } from "../live/use-live.ts";
import { Link } from "../parts/link.tsx";
import { Save } from "../parts/save.tsx";
import { Nothing, Trouble } from "../parts/states.tsx";
import { Table } from "../parts/table.tsx";
import { go, placeOf } from "../route.ts";
import { LISTS, type Listed } from "./lists.ts";
import { commandOf, filterOf, namesOf, type Term, termsOf } from "./terms.ts";

const PAGE_ROWS = 500;

/** The history by any of its filters. The address says which, so that it can be given to somebody else. */
export function Search({ list, query }: { readonly list: string; readonly query: URLSearchParams }) {
  const known = HISTORY_LISTS.find((one) => one === list) ?? "steps";
  const terms = termsOf(query);
  return (
    <>
      <h1>History</h1>
      <nav aria-label="Lists" class="tabs">
        {HISTORY_LISTS.map((one) => (
          <Link key={one} to={placeOf(["search", one])} current={one === known}>
            {one}
          </Link>
        ))}
      </nav>
      <Terms key={known} list={known} terms={terms} />
      {/* All lists are one to the page: rows and columns of each fit each other. */}
      <Rows key={`${known}?${query}`} list={known} listed={LISTS[known] as Listed<unknown>} terms={terms} />
    </>
  );
}

function Terms({ list, terms }: { readonly list: HistoryList; readonly terms: readonly Term[] }) {
  const names = namesOf(list);
  const [name, setName] = useState(names[0] ?? "");
  const [value, setValue] = useState("");
  const [isExcluded, setExcluded] = useState(false);
  const canExclude = !["since", "until", "live-at", "descendants-of"].includes(name);
  const with_ = (next: readonly Term[]) =>
    go(
      placeOf(
        ["search", list],
        next.map((one) => [one.name, one.value] as const),
      ),
    );
  return (
    <>
      <form
        class="terms"
        onSubmit={(event) => {
          event.preventDefault();
          if (value === "") return;
          with_([...terms, { name: canExclude && isExcluded ? `not-${name}` : name, value }]);
          setValue("");
        }}
      >
        <label>
          Filter
          <select value={name} onChange={(event) => setName(event.currentTarget.value)}>
            {names.map((one) => (
              <option key={one} value={one}>
                {one}
              </option>
            ))}
          </select>
        </label>
        <label>
          Value
          <input type="text" value={value} maxLength={512} onInput={(event) => setValue(event.currentTarget.value)} />
        </label>
        <label class="check">
          <input
            type="checkbox"
            checked={isExcluded && canExclude}
            disabled={!canExclude}
            onChange={(event) => setExcluded(event.currentTarget.checked)}
          />
          is not
        </label>
        <button type="submit">Add filter</button>
      </form>
      {terms.length > 0 && (
        <ul class="chips" aria-label="Filters">
          {terms.map((term, index) => (
            <li key={`${term.name}=${term.value}`}>
              <button
                type="button"
                onClick={() => with_(terms.toSpliced(index, 1))}
                aria-label={`Remove the filter ${term.name} ${term.value}`}
              >
                {term.name} <bdi>{term.value}</bdi> ✕
              </button>
            </li>
          ))}
        </ul>
      )}
      <p class="command">
        <code>{commandOf(list, terms)}</code>
      </p>
    </>
  );
}

type Got<Row> = {
  readonly rows: readonly Row[];
  readonly nextPageToken: string;
  /** Whether the last page had no row: the broker looked through a part of the ledger, and says where it would go on. */
  readonly isInVain: boolean;
  /** How far the ledger was. */
  readonly sequence: bigint;
};

/** Between two questions about what is new, where the ledger grows without a pause, and where nobody answered. */
const BUSY_MS = 3_000;
const RETRY_MS = 2_000;

/** All pages that were scrolled to. At the top new rows come by themselves; further down they wait until they are asked for. */
function Rows<Row>({
  list,
  listed,
  terms,
}: {
  readonly list: HistoryList;
  readonly listed: Listed<Row>;
  readonly terms: readonly Term[];
}) {
  const live = useLive();
  const [got, setGot] = useState<Got<Row>>();
  const [problem, setProblem] = useState<Problem>();
  /** Whoever asks for what is new is taken to the top, where that is. */
  const [round, setRound] = useState(0);
  const openedAt = useRef(brokerNow());
  const isAsking = useRef(false);
  const askedAt = useRef(Number.NEGATIVE_INFINITY);
  const isGone = useRef(false);
  useEffect(
    () => () => {
      isGone.current = true;
    },
    [],
  );

  const ask = useCallback(
    async (pageToken: string, before: readonly Row[]) => {
      if (isAsking.current) return;
      isAsking.current = true;
      askedAt.current = performance.now();
      const sequence = live.sequence;
      try {
        const filter = { ...filterOf(list, terms, openedAt.current), pageSize: PAGE_ROWS, pageToken };
        const page = await listed.ask(filter, AbortSignal.timeout(30_000));
        if (isGone.current) return;
        const { rows, nextPageToken } = page;
        setGot({ rows: [...before, ...rows], nextPageToken, isInVain: rows.length === 0, sequence });
        setProblem(undefined);
      } catch (thrown) {
        const isOurs = thrown instanceof RangeError;
        if (!isGone.current)
          setProblem(
            isOurs
              ? { reason: "INVALID_FIELD", message: thrown.message, decisionId: undefined, isAway: false }
              : problemOf(thrown),
          );
      } finally {
        isAsking.current = false;
      }
    },
    [list, listed, terms, live.sequence],
  );

  const isFirstPage = got === undefined || got.rows.length <= PAGE_ROWS;
  const hasNew = got !== undefined && live.sequence > got.sequence;
  // Once, whenever the ledger has grown, and again where nobody answered.
  useEffect(() => {
    const isRefused = problem !== undefined && !problem.isAway;
    const isWanted = got === undefined || hasNew || problem !== undefined;
    if (isRefused || !isFirstPage || !isWanted) return;
    const rest = problem !== undefined ? RETRY_MS : live.isBusy ? BUSY_MS : 0;
    const timer = setTimeout(() => void ask("", []), Math.max(0, askedAt.current + rest - performance.now()));
    return () => clearTimeout(timer);
  }, [live.sequence, problem, got]);

  const showNew = () => {
    setRound(round + 1);
    void ask("", []);
  };
  const isMore = got !== undefined && got.nextPageToken !== "";
  const more = () => {
    if (isMore) void ask(got.nextPageToken, got.rows);
  };
  // Whoever looks for what is rare says for how long: the end of the rows in view is no reason to look through all of a ledger.
  const atEnd = useCallback(() => {
    if (got?.isInVain === false) more();
  }, [got, ask]);
  return (
    <>
      {problem !== undefined && <Trouble problem={problem} />}
      {got === undefined && problem === undefined && <Nothing>Loading…</Nothing>}
      {got !== undefined && got.rows.length === 0 && got.nextPageToken === "" && (
        <Nothing>Nothing in the ledger is like that.</Nothing>
      )}
      {got !== undefined && (
        <>
          <p class="bar" role="status">
            {got.rows.length} {list} shown{got.nextPageToken === "" ? ", which are all" : ", more below"}
            {!isFirstPage && hasNew && (
              <button type="button" onClick={showNew}>
                Show what is new
              </button>
            )}
            <Save name={list} view={listed.view} rows={got.rows} />
          </p>
          {got.rows.length > 0 && (
            <Table
              key={round}
              caption={`History of ${list}, newest first`}
              view={listed.view}
              rows={got.rows}
              keyOf={listed.keyOf}
              to={listed.to}
              onEnd={atEnd}
            />
          )}
          {isMore && got.isInVain && (
            <button type="button" onClick={more}>
              Look further back
            </button>
          )}
        </>
      )}
    </>
  );
}
