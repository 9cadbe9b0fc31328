import { createLocalJWKSet, jwtVerify } from "jose";
import { onTestFinished } from "vitest";
import { plainJwks } from "../../src/domain/bundle.ts";
import type { RegistrationEntry, VerifierEntry } from "../../src/domain/registration-entry.ts";
import { secondsOf } from "../../src/domain/time.ts";
import { createStreamManagement, type Receiver } from "../../src/signals/manage-streams.ts";
import { keepOutboxes } from "../../src/signals/outboxes.ts";
import { MCP } from "../contract/ledger-world.ts";
import { eventsLedger, ISSUER } from "./events-ledger.ts";

export const EVENTS_URL = "https://siem.example.org/events";

/** A ledger, receivers with their entries, and what is kept to be sent to them. All of it is real but the clock. */
export async function signalsScene() {
  const { clock, random, store, world, signer, key, failed, notifier } = await eventsLedger();
  const known = new Map<string, RegistrationEntry>();
  const entries = { byId: (entryId: string) => known.get(entryId) };
  const signing = { authorities: { active: () => key }, signer, clock, issuer: ISSUER };

  async function receiver(eventsUrl?: string, audiences: readonly string[] = [MCP]): Promise<Receiver> {
    const entry = (await world.enter({
      ...{ kind: "verifier", name: world.name(), selectors: ["unix:uid:1003"], audiences },
      ...(eventsUrl === undefined ? {} : { eventsUrl }),
    })) as VerifierEntry;
    known.set(entry.entryId, entry);
    return { entry, by: { kind: "entry", entryId: entry.entryId, process: "p" } };
  }

  const listeners = new Set<() => void>();
  /** As where another broker leads from now on. */
  const change = () => {
    for (const listener of listeners) listener();
  };

  /** As at a start of the broker. */
  async function start() {
    const outboxes = await keepOutboxes({
      ...{ ledger: store.ledger, projections: store.projections, feed: store.feed, entries, clock, failed },
      issuer: ISSUER,
      onDenied(listener) {
        listeners.add(listener);
        return notifier.subscribe(() => listener()).unsubscribe;
      },
    });
    onTestFinished(() => outboxes.stop());
    return { outboxes, streams: createStreamManagement({ ledger: store.ledger, outboxes, clock, random }) };
  }

  /** What a receiver reads that knows of the broker only its issuer and keys. */
  async function read(token: string, audience: string) {
    const keys = createLocalJWKSet({ keys: [...plainJwks([key], "events").keys] });
    const { payload } = await jwtVerify(token, keys, {
      ...{ typ: "secevent+jwt", algorithms: ["ES256"], issuer: ISSUER, audience },
      currentDate: new Date(secondsOf(clock.now()) * 1_000),
    });
    return payload;
  }

  /** Opens a step with a token and closes it. */
  async function ended() {
    const step = await world.open(await world.agent());
    await world.issue(step);
    await world.close(step);
    await notifier.caughtUp();
    return step;
  }

  return { ...{ clock, store, world, entries, known, signing, receiver, start, read, ended, notifier, change } };
}
