import { fromJson } from "@bufbuild/protobuf";
import { expect, onTestFinished, test, vi } from "vitest";
import { WatchResponseSchema } from "../../src/gen/stint/v1/revocations_pb.js";
import { type Action, createVerifier, type ToolUse, type VerifiedStep } from "../../src/sdk/verifier/index.ts";
import { pong } from "../sdk/verifier/feed-responses.ts";
import { manualClock } from "../sdk/verifier/manual-clock.ts";
import { scriptedBroker } from "../sdk/verifier/scripted-broker.ts";
import { type FeedAct, feedVectors, RECONNECT_MS } from "./feed-vectors.ts";
import { outcomeOf } from "./outcome.ts";

// The same file is run by the suites of the clients in other languages.

const vectors = feedVectors();

test.for(vectors.scenes)("the feed: $name", async ({ script, options }) => {
  const broker = await scriptedBroker();
  const clock = manualClock(vectors.now_ms);
  const verifier = createVerifier({
    endpoint: broker.socket,
    audiences: [vectors.audience],
    clock,
    development: options.development ?? false,
    grantsFrom: options.grants_from ?? [],
    maxStalenessSeconds: options.max_staleness_seconds ?? {},
  });
  onTestFinished(() => verifier.close());
  let watch = await broker.nextWatch();
  const verified = new Map<string, VerifiedStep>();
  const known = (token: string): VerifiedStep => {
    const step = verified.get(token);
    if (step === undefined) throw new Error(`${token} was not verified before`);
    return step;
  };

  async function act(one: FeedAct): Promise<void> {
    switch (one.do) {
      case "send":
        return watch.send(fromJson(WatchResponseSchema, vectors.messages[one.message] ?? null));
      case "acknowledged":
        return expect(Buffer.from((await watch.next("acknowledge")).cursor).toString()).toBe(one.cursor);
      case "pong": {
        const { nonce } = await watch.next("ping");
        // Half of the way there, half of it back.
        clock.advance((one.after_ms ?? 0) / 2);
        const brokerTimeMs = clock.wallMs() + (one.ahead_ms ?? 0);
        clock.advance((one.after_ms ?? 0) / 2);
        return watch.send(pong(nonce, brokerTimeMs, one.cursor));
      }
      case "advance":
        return clock.advance(one.ms);
      case "suspend":
        return clock.suspend(one.ms);
      case "set_wall":
        return clock.setWall(clock.wallMs() + one.ahead_ms);
      case "reconnected":
        watch.end();
        // From then on it waits for the clock.
        await vi.waitFor(() => expect(verifier.status().connected).toBe(false));
        clock.advance(RECONNECT_MS);
        watch = await broker.nextWatch();
        return expect(Buffer.from(watch.hello.cursor).toString()).toBe(one.cursor);
      case "verify": {
        const actions = (one.actions ?? []) as readonly Action[];
        return expect(
          outcomeOf(() => verified.set(one.token, verifier.verify(vectors.tokens[one.token] ?? "", { actions }))),
        ).toEqual(one.is);
      }
      case "recheck":
        return expect(outcomeOf(() => verifier.recheck(known(one.token)))).toEqual(one.is);
      case "authorize":
        return expect(outcomeOf(() => verifier.authorize(known(one.token), one.use as ToolUse))).toEqual(one.is);
    }
  }
  for (const one of script) await act(one);
});
