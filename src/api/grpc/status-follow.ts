import { once } from "node:events";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { handleServerStreamingCall } from "@grpc/grpc-js";
import { checkMayLook } from "../../decide/step-access.ts";
import type {
  StatusFollowRequest,
  StatusFollowResponseSchema,
  StatusGetResponseSchema,
} from "../../gen/stint/v1/status_pb.js";
import type { Clock } from "../../ports/clock.ts";
import type { Ledger } from "../../ports/ledger.ts";
import type { Received } from "../../wire/service-definition.ts";
import { serviceErrorOf } from "../../wire/service-error.ts";
import { begin, type Endpoint } from "./call.ts";

/** Between two answers: an event is told within this. */
const GAP_MS = 200;
/** Where it grows without a pause for this long, a look a second is enough. */
const BUSY_AFTER_MS = 3_000;
const BUSY_GAP_MS = 1_000;
/** An answer after this long, also where nothing has happened: whoever hears nothing for longer knows that nobody is there. */
const SILENCE_MS = 5_000;
/** Between two looks at everything: verifiers may be thousands. */
const WHOLE_MS = 2_000;

type FollowPorts = {
  readonly ledger: Pick<Ledger, "follow" | "head">;
  readonly clock: Pick<Clock, "schedule" | "monotonicMs">;
  readonly status: () => MessageInitShape<typeof StatusGetResponseSchema>;
};

/** How far the ledger is, again and again, no faster than the caller reads. */
export function statusFollowHandler(
  endpoint: Endpoint,
  { ledger, clock, status }: FollowPorts,
): handleServerStreamingCall<Received<StatusFollowRequest>, MessageInitShape<typeof StatusFollowResponseSchema>> {
  return (call) => {
    const begun = begin(endpoint, "Status.Follow", call);
    const ended = new AbortController();
    call.on("cancelled", () => ended.abort());
    call.on("close", () => ended.abort());

    begun
      .run(async () => checkMayLook(await begun.attested()))
      .then(follow)
      .catch((thrown: unknown) => {
        if (!ended.signal.aborted) call.emit("error", serviceErrorOf(thrown));
      });

    async function follow(): Promise<void> {
      let wake = Promise.withResolvers<void>();
      const following = ledger.follow({ name: "status", take: () => wake.resolve() }, ledger.head().sequence);
      ended.signal.addEventListener("abort", () => wake.resolve());
      let wholeAt = Number.NEGATIVE_INFINITY;
      let busySince = clock.monotonicMs();
      try {
        while (!ended.signal.aborted) {
          wake = Promise.withResolvers();
          const isWhole = clock.monotonicMs() - wholeAt >= WHOLE_MS;
          if (isWhole) wholeAt = clock.monotonicMs();
          const message = { sequence: BigInt(ledger.head().sequence), ...(isWhole && { status: status() }) };
          if (!call.write(message)) await once(call, "drain", { signal: ended.signal });
          const isBusy = clock.monotonicMs() - busySince > BUSY_AFTER_MS;
          await pause(isBusy ? BUSY_GAP_MS : GAP_MS, ended.signal);
          const asleepAt = clock.monotonicMs();
          await woken(wake);
          if (clock.monotonicMs() - asleepAt > GAP_MS) busySince = clock.monotonicMs();
          checkMayLook(await begun.attested());
        }
      } finally {
        following.end();
      }
    }

    function pause(ms: number, over: AbortSignal): Promise<void> {
      const { promise, resolve } = Promise.withResolvers<void>();
      const cancel = clock.schedule(ms, resolve);
      over.addEventListener("abort", () => resolve(), { once: true });
      return promise.finally(cancel);
    }

    function woken(wake: PromiseWithResolvers<void>): Promise<void> {
      const cancel = clock.schedule(SILENCE_MS, wake.resolve);
      return wake.promise.finally(cancel);
    }
  };
}
