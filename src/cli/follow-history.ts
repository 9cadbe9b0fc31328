import { setTimeout as sleep } from "node:timers/promises";
import { LIMITS } from "../domain/limits.ts";
import { type Event, History } from "../gen/stint/v1/history_pb.js";
import { ExitStatus } from "./failure.ts";
import type { historyFilterOf } from "./history-flags.ts";
import type { Session } from "./session.ts";
import { listenForStop, type Stop } from "./stop-signal.ts";

/** How often a list is looked at anew: a person who follows it notices no difference. */
const LOOK_MS = 1_000;

type Following = { readonly resume?: string };
type Page<Row> = { readonly rows: readonly Row[]; readonly nextPageToken: string; readonly resumeToken: string };
type Ask<Row> = (page: {
  readonly pageSize: number;
  readonly pageToken: string;
  readonly oldestFirst: true;
}) => Promise<Page<Row>>;

/** The rows of a list as they are recorded, from now on or from where a follow broke off. */
export async function* follow<Row>(
  session: Session,
  ask: Ask<Row>,
  { resume }: Following,
): AsyncGenerator<Row, void, void> {
  using stop = listenForStop();
  const whole = (pageToken: string) => ask({ pageSize: LIMITS.pageSizeMax, pageToken, oldestFirst: true });
  let place = resume;
  try {
    place ??= await newestPlace(session);
    while (!stop.signal.aborted) {
      const { rows, nextPageToken, resumeToken } = await whole(place);
      yield* rows;
      place = resumeToken;
      if (nextPageToken === "") await sleep(LOOK_MS, undefined, { signal: stop.signal }).catch(() => undefined);
    }
  } finally {
    if (place !== undefined) session.note(`goes on with --resume ${place}`);
  }
  throwIfStopped(stop);
}

/** Events as they are recorded. */
export async function* followEvents(
  session: Session,
  filter: ReturnType<typeof historyFilterOf>,
  { resume, after }: Following & { readonly after?: number },
): AsyncGenerator<Event, void, void> {
  using stop = listenForStop();
  const begins = after === undefined ? {} : { afterSequence: BigInt(after) };
  const request = { filter, ...(resume === undefined ? begins : { resumeToken: resume }) };
  let place = resume;
  try {
    for await (const { event, resumeToken } of session.operator(History).tailEvents(request, { signal: stop.signal })) {
      if (event !== undefined) yield event;
      place = resumeToken;
    }
  } catch (thrown) {
    if (!stop.signal.aborted) throw thrown;
  } finally {
    if (place !== undefined) session.note(`goes on with --resume ${place}`);
  }
  throwIfStopped(stop);
}

/** A place behind all that was recorded by now. */
async function newestPlace({ operator, context }: Session): Promise<string> {
  const since = { seconds: BigInt(Math.floor(context.now() / 1_000) + 1), nanos: 0 };
  const { resumeToken } = await operator(History).listEvents({ filter: { oldestFirst: true, since, pageSize: 1 } });
  return resumeToken;
}

/** The exit status says by what the command was stopped. */
function throwIfStopped(stop: Stop): void {
  const status = stop.exitStatus();
  if (status !== undefined) throw new ExitStatus(status);
}
