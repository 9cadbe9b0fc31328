import { afterEach, beforeEach, expect, test } from "vitest";
import { keepAuthorityBook } from "../../src/authority/authority-book.ts";
import { parseTrustDomain } from "../../src/domain/spiffe-id.ts";
import { keepFederationBook } from "../../src/federation/federation-book.ts";
import type { Ledger } from "../../src/ports/ledger.ts";
import { keepEntryDirectory } from "../../src/registry/entry-directory.ts";
import { OPERATOR, ports, type World, worldOf } from "../contract/ledger-world.ts";
import { openMemoryLedger } from "../memory/memory-ledger.ts";

// Goal: whoever looks at what is kept when it changes has it as it is, also where what is kept was behind for a while.

let world: World;
let ledger: Ledger;
let isFailing: boolean;
const failed = () => undefined;

beforeEach(async () => {
  const given = ports();
  world = worldOf(await openMemoryLedger({ ...given, failed }), given);
  isFailing = false;
  ledger = {
    ...world.ledger,
    follow(follower, after) {
      if (!("take" in follower)) throw new TypeError("takes one at a time");
      const take = (committed: Parameters<typeof follower.take>[0]) => {
        if (isFailing) throw new Error("not yet");
        follower.take(committed);
      };
      return world.ledger.follow({ ...follower, take }, after);
    },
  };
});
afterEach(() => world.store.close());

/** What whoever is told sees, while `change` is committed with the follower failing, and after. */
async function seenAround(change: () => Promise<unknown>, onChange: (changed: () => void) => void, look: () => number) {
  const seen: (number | "refused")[] = [];
  onChange(() => {
    try {
      seen.push(look());
    } catch {
      seen.push("refused");
    }
  });
  isFailing = true;
  const changing = change();
  await new Promise((resolve) => setImmediate(resolve));
  isFailing = false;
  world.clock.advance(1_000);
  await new Promise((resolve) => setImmediate(resolve));
  world.clock.advance(1_000);
  await changing;
  await new Promise((resolve) => setImmediate(resolve));
  return seen;
}

test("registration entries", async () => {
  const entries = await keepEntryDirectory({ ledger, projections: world.store.projections, failed });
  const seen = await seenAround(
    () => world.agent(),
    entries.onChange,
    () => entries.all().length,
  );
  expect(seen.at(-1)).toBe(1);
});

test("authorities", async () => {
  const { projections } = world.store;
  const book = await keepAuthorityBook({ ledger, projections, clock: world.clock, failed });
  const seen = await seenAround(
    () => book.record({ authorities: [world.authority()] }),
    book.onChange,
    () => book.all().length,
  );
  expect(seen.at(-1)).toBe(1);
});

test("foreign bundles", async () => {
  const book = await keepFederationBook({ ledger, projections: world.store.projections, failed });
  const trustDomain = parseTrustDomain("other.example");
  const relationship = {
    trustDomain,
    bundleEndpointUrl: "https://other.example/",
    profile: { kind: "https_web" },
  } as const;
  const bundle = { document: '{"keys":[]}' };
  const look = () => {
    if (book.following.refusal() !== undefined) throw new Error("behind");
    return book.all().length;
  };
  const put = { act: "put-federation", relationship, bundle, by: OPERATOR, now: world.clock.now() } as const;
  const seen = await seenAround(() => world.ledger.perform(put), book.onBundle, look);
  expect(seen.at(-1)).toBe(1);
});
