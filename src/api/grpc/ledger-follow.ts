import type { MessageInitShape } from "@bufbuild/protobuf";
import type { LedgerFollowResponseSchema } from "../../gen/stint/v1/ledger_pb.js";
import type { Clock } from "../../ports/clock.ts";
import type { Ledger } from "../../ports/ledger.ts";
import type { LogPage, LogReads } from "../../ports/log-reads.ts";

export type LedgerFollowPorts = {
  readonly ledger: Pick<Ledger, "head" | "follow">;
  readonly log: LogReads;
  readonly checkpoints: { current(): { readonly note: string } | undefined };
  readonly clock: Pick<Clock, "schedule">;
};

type Message = MessageInitShape<typeof LedgerFollowResponseSchema>;

const PAGE_EVENTS = 1_000;
/** Whoever hears nothing for several of these takes the connection for broken. */
const SIGN_OF_LIFE_MS = 1_000;
/** What is recorded within this time goes in one page: a page for each commit would cost the broker as much as some of its calls. */
const GATHERED_MS = 20;

/**
 * The log after a sequence and then as it grows, no faster than the caller takes it. Ends when the caller has gone, or has more than there is.
 *
 * @param told.sent - told how far the caller was sent.
 */
export async function* followMessages(
  after: number,
  { ledger, log, checkpoints, clock }: LedgerFollowPorts,
  { signal, sent }: { readonly signal: AbortSignal; readonly sent: (through: number) => void },
): AsyncGenerator<Message, void, void> {
  let wake = Promise.withResolvers<void>();
  // Events are read from the log, no faster than the caller takes them; the follower only learns that there are more.
  const following = ledger.follow({ name: "standby", take: () => wake.resolve() }, ledger.head().sequence);
  const gone = () => wake.resolve();
  let shown = "";
  const pageMessage = (page: LogPage): Message => {
    const newest = checkpoints.current()?.note ?? "";
    const checkpoint = newest === shown ? "" : newest;
    shown = newest;
    return pageMessageOf(page, checkpoint);
  };
  signal.addEventListener("abort", gone);
  try {
    const first = await log.logPage(after, 0);
    yield pageMessage(first);
    for (let from = after; !signal.aborted && first.newest >= after; ) {
      wake = Promise.withResolvers();
      const page = await log.logPage(from, PAGE_EVENTS);
      if (page.snapshotThrough !== undefined) yield* chunkMessages(page.snapshotThrough, log);
      yield pageMessage(page);
      from = page.head.sequence;
      sent(from);
      if (from < page.newest) continue;
      const cancel = clock.schedule(SIGN_OF_LIFE_MS, () => wake.resolve());
      await wake.promise;
      cancel();
      await gathered(clock);
    }
  } finally {
    following.end();
    signal.removeEventListener("abort", gone);
  }
}

function gathered(clock: LedgerFollowPorts["clock"]): Promise<void> {
  return new Promise((resolve) => void clock.schedule(GATHERED_MS, resolve));
}

async function* chunkMessages(through: number, log: LogReads): AsyncGenerator<Message, void, void> {
  for (let index = 0; ; ) {
    const chunks = await log.snapshotChunks(through, index);
    if (chunks.length === 0) return;
    for (const content of chunks) {
      yield { message: { case: "chunk", value: { throughSequence: BigInt(through), index, content } } };
      index += 1;
    }
  }
}

function pageMessageOf({ events, head, newest, schema }: LogPage, checkpoint: string): Message {
  const { epoch, sequence, rootHash } = head;
  const value = { events: [...events], epoch, sequence: BigInt(sequence), rootHash, schema, checkpoint };
  return { message: { case: "page", value: { ...value, newestSequence: BigInt(newest) } } };
}
