import { expect, test } from "vitest";
import { AuthorityState } from "../../src/gen/stint/v1/authorities_pb.js";
import { SvidKind } from "../../src/gen/stint/v1/types_pb.js";
import type { Daemon } from "../daemon.ts";
import { READ_SEARCH } from "./entries.ts";
import {
  EAST,
  federate,
  homelyVerifierAt,
  presentedBy,
  refreshed,
  seenBy,
  twoDaemons,
  verifierAt,
  WEST,
} from "./federation-scene.ts";
import { operatorOf } from "./operator.ts";
import { shownAt } from "./shown-certificate.ts";

const OF_EAST = [`${EAST} true`, `${EAST} true`];
const OF_WEST = [`${WEST} true`, `${WEST} true`];
const UNKNOWN = ["KEY_UNKNOWN", "KEY_UNKNOWN"];
/** Two daemons start, and some of the commands are for both. */
const TEST_MS_MAX = 60_000;

/** Publishes the next key of a kind, lets it sign at once, and takes back the one that signed. */
async function rotate(
  daemon: Daemon,
  kind: SvidKind,
  withdrawal: "taint" | "revoke",
  published: () => Promise<unknown> = async () => undefined,
): Promise<void> {
  using operator = operatorOf(daemon.operatorSocket);
  const { authorities } = await operator.authorities.list({});
  const signing = authorities.find((one) => one.kind === kind && one.state === AuthorityState.ACTIVE);
  const { authority } = await operator.authorities.prepare({ kind });
  await published();
  await operator.authorities.activate({ authorityId: authority?.authorityId ?? "", now: true });
  await operator.authorities[withdrawal]({ authorityId: signing?.authorityId ?? "" });
}

test(
  "two brokers federate by either profile, and their verifiers know the other's agents where their entry says so",
  async () => {
    const daemons = await twoDaemons();
    const { east, west } = daemons;
    const [atEast, atWest] = [await verifierAt(east), await verifierAt(west)];
    const [ofEast, ofWest] = [await presentedBy(east), await presentedBy(west)];
    expect([seenBy(atWest, ofEast), seenBy(atEast, ofWest)]).toEqual([UNKNOWN, UNKNOWN]);

    expect(await federate(daemons)).toEqual([null, null]);
    await expect.poll(() => [seenBy(atWest, ofEast), seenBy(atEast, ofWest)]).toEqual([OF_EAST, OF_WEST]);
    const homely = await homelyVerifierAt(west);
    const ofWestAtHome = await presentedBy(west);
    const elsewhere = ({ otherToken: token, chain }: typeof ofEast) => seenBy(homely, { token, chain });
    expect([elsewhere(ofEast), elsewhere(ofWestAtHome)]).toEqual([UNKNOWN, [`${WEST} false`, `${WEST} false`]]);

    // What the other broker granted is its own affair, unless a verifier says otherwise.
    const use = { tool: READ_SEARCH.identifier, actions: ["read"], datatypes: ["internal"] } as const;
    const step = atWest.verify(ofEast.token);
    expect(step.grant).toEqual([]);
    expect(() => atWest.authorize(step, use)).toThrow(expect.objectContaining({ code: "GRANT_EXCEEDED" }));
    const trusting = await verifierAt(west, { grantsFrom: [EAST] });
    expect(() => trusting.authorize(trusting.verify(ofEast.token), use)).not.toThrow();
  },
  TEST_MS_MAX,
);

test(
  "a key that was taken back is believed no more as soon as the other broker has asked, and the next one is",
  async () => {
    const daemons = await twoDaemons();
    const { east, west } = daemons;
    await federate(daemons);
    const [atEast, atWest] = [await verifierAt(east), await verifierAt(west)];
    const [ofEast, ofWest] = [await presentedBy(east), await presentedBy(west)];
    const first = await refreshed(west, EAST);

    // A new CA is in the bundle before the endpoint shows an X.509-SVID of it, so that the other side is there by then.
    await rotate(east, SvidKind.X509, "taint", () => refreshed(west, EAST));
    const second = await refreshed(west, EAST);
    expect(second.failure).toBeUndefined();
    expect(second.sequence).toBeGreaterThan(first.sequence ?? 0n);
    await expect.poll(() => seenBy(atWest, ofEast)).toEqual([`${EAST} true`, "KEY_UNKNOWN"]);
    await rotate(east, SvidKind.JWT, "taint");
    const newOfEast = await presentedBy(east);
    expect(seenBy(atWest, newOfEast)).toEqual(["KEY_UNKNOWN", `${EAST} true`]);
    expect((await refreshed(west, EAST)).failure).toBeUndefined();
    await expect.poll(() => [seenBy(atWest, ofEast), seenBy(atWest, newOfEast)]).toEqual([UNKNOWN, OF_EAST]);

    for (const kind of [SvidKind.X509, SvidKind.JWT]) await rotate(west, kind, "revoke");
    const newOfWest = await presentedBy(west);
    expect((await refreshed(east, WEST)).failure).toBeUndefined();
    await expect.poll(() => [seenBy(atEast, ofWest), seenBy(atEast, newOfWest)]).toEqual([UNKNOWN, OF_WEST]);
  },
  TEST_MS_MAX,
);

test(
  "an endpoint that was given a new CA without the time to tell is refused until its bundle is carried over again",
  async () => {
    const daemons = await twoDaemons();
    const { east, west } = daemons;
    await federate(daemons);
    const before = await shownAt(east.httpUrl);
    await rotate(east, SvidKind.X509, "revoke");
    // Until the endpoint shows its next X.509-SVID, the other side may still fetch by the one before.
    await expect.poll(() => shownAt(east.httpUrl)).not.toBe(before);
    expect((await refreshed(west, EAST)).failure).toBe(
      "the bundle endpoint shows a certificate that its trust domain did not issue",
    );
    for (const [daemon, foreign] of [[east, WEST] as const, [west, EAST] as const]) {
      using operator = operatorOf(daemon.operatorSocket);
      await operator.federation.delete({ trustDomain: foreign });
    }
    expect(await federate(daemons)).toEqual([null, null]);
  },
  TEST_MS_MAX,
);

test(
  "a relationship and its bundle outlive a restart without asking anybody, and nobody is believed once it has ended",
  async () => {
    const daemons = await twoDaemons();
    await federate(daemons);
    const { east, west } = daemons;
    const ofEast = await presentedBy(east);
    await east.stop();
    await west.stop();
    await using again = await west.restart();
    const verifier = await verifierAt(again);
    expect(seenBy(verifier, ofEast)).toEqual(OF_EAST);
    expect((await refreshed(again, EAST)).failure).toBe("the bundle endpoint can't be reached");
    expect(seenBy(verifier, ofEast)).toEqual(OF_EAST);
    using operator = operatorOf(again.operatorSocket);
    await operator.federation.delete({ trustDomain: EAST });
    await expect.poll(() => seenBy(verifier, ofEast)).toEqual(UNKNOWN);
  },
  TEST_MS_MAX,
);
