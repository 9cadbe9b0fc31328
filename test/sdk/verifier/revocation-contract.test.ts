import { describe, expect, onTestFinished, vi } from "vitest";
import { createVerifier } from "../../../src/sdk/verifier/index.ts";
import { AUDIENCE, bundleDocument, ecSigner, ISSUER, SUBJECT } from "../../verify/token-forge.ts";
import { bundle, type DenialInit, denied, deniedStep, pong, snapshot } from "./feed-responses.ts";
import { manualClock } from "./manual-clock.ts";
import { type HeardBroker, NOW_MS, own, revocationContract } from "./revocation-contract.ts";
import { scriptedBroker, type Watch } from "./scripted-broker.ts";
import { denialBytes, feedToken, keysDigestOf, scriptedBus } from "./scripted-bus.ts";
import { eventKeysOf, scriptedIssuer } from "./scripted-issuer.ts";

const denialOf = (stepId: string, sequence: number): DenialInit =>
  deniedStep(stepId, `${SUBJECT}${stepId.replace("step_", "")}`, { sequence: BigInt(sequence) });

/** A broker on a socket, that answers pings unless it is cut off. */
async function byFeed(): Promise<HeardBroker> {
  const broker = await scriptedBroker();
  const clock = manualClock(NOW_MS);
  const verifier = createVerifier({ endpoint: broker.socket, audiences: [AUDIENCE], clock });
  onTestFinished(() => verifier.close());
  const denials: DenialInit[] = [];
  let watch: Watch | undefined;
  let isCut = false;

  function sendAll(): void {
    watch?.send(bundle(bundleDocument(own), { issuer: ISSUER }), snapshot(denials, `c${denials.length}`));
  }
  async function answering(one: Watch): Promise<void> {
    for (;;) {
      const { nonce } = await one.next("ping");
      if (!isCut && watch === one) one.send(pong(nonce, clock.wallMs(), `c${denials.length}`));
    }
  }
  async function serving(): Promise<void> {
    for (;;) {
      watch = await broker.nextWatch();
      if (!isCut) sendAll();
      void answering(watch);
    }
  }
  void serving();
  return {
    ...{ verifier, clock },
    end(stepId) {
      denials.push(denialOf(stepId, denials.length + 1));
      if (!isCut) watch?.send(denied(denials.slice(-1), `c${denials.length}`));
    },
    cut(cut) {
      isCut = cut;
      if (!isCut) sendAll();
    },
    // A stream loses nothing.
    loseNext: () => undefined,
    beat: () => undefined,
  };
}

/** A broker on a bus, whose stream can be read unless it is cut off. */
async function byNats(): Promise<HeardBroker> {
  const events = ecSigner("events");
  const issuer = await scriptedIssuer({ own, events });
  const bus = scriptedBus();
  const clock = manualClock(NOW_MS);
  const { connection } = bus;
  const verifier = createVerifier({
    audiences: [AUDIENCE],
    clock,
    revocation: { from: "nats", issuer: ISSUER, trustDomain: "example.org", url: issuer.url, connection },
  });
  onTestFinished(() => verifier.close());
  const common = { epoch: "e1", atMs: NOW_MS };
  const keys = keysDigestOf(bundleDocument(own), eventKeysOf(events));
  let through = 1;
  let isCut = false;
  let isLost = false;
  const beginning = { ...common, kind: "snapshot", through, part: 1, parts: 1, denials: denialBytes() } as const;
  bus.kept.push(feedToken(events, beginning));
  await vi.waitFor(() => expect(issuer.asked("/keys/events.json")).toBe(1));
  return {
    ...{ verifier, clock },
    end(stepId) {
      const from = through;
      through += 1;
      const denials = denialBytes(denialOf(stepId, through));
      const text = feedToken(events, { ...common, kind: "denied", from, through, denials });
      bus.kept.push(text);
      if (!isCut && !isLost) bus.tell("denied", text);
      isLost = false;
    },
    cut(cut) {
      isCut = cut;
      bus.hold(cut);
    },
    loseNext() {
      isLost = true;
    },
    beat(atMs) {
      if (!isCut) bus.tell("heartbeat", feedToken(events, { ...common, atMs, kind: "heartbeat", through, keys }));
    },
  };
}

describe("by the feed", () => revocationContract(0, byFeed));
describe("over NATS", () => revocationContract(5_000, byNats));
