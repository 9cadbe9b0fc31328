import process from "node:process";
import { describe, expect, test } from "vitest";
import type { VerifierClock } from "../../src/sdk/verifier/clock.ts";
import { fakeClock, LIBRARY } from "../faults/daemon-fake-clock.ts";
import { EAST, federate, presentedBy, refreshed, seenBy, twoDaemons, verifierAt, WEST } from "./federation-scene.ts";

if (LIBRARY === undefined)
  process.stderr.write("federation-clock.test.ts: skipped, it needs libfaketime or a C compiler\n");

const clockWith = (offsetSeconds: number): VerifierClock => ({
  wallMs: () => Date.now() + offsetSeconds * 1_000,
  monotonicMs: () => performance.now(),
  schedule(delayMs, call) {
    const timer = setTimeout(call, delayMs);
    return () => clearTimeout(timer);
  },
});

describe.skipIf(LIBRARY === undefined)("two brokers whose clocks are five minutes apart", { timeout: 60_000 }, () => {
  test.for([
    { is: "ahead", offset: 300, ofWest: "NOT_YET_VALID", ofEast: "EXPIRED" },
    { is: "behind", offset: -300, ofWest: "EXPIRED", ofEast: "NOT_YET_VALID" },
  ])(
    "with the one that is $is, exchange bundles where certificates last, and believe no SVID of the other",
    async ({ offset, ofWest, ofEast }) => {
      const clock = fakeClock();
      clock.set(offset);
      const daemons = await twoDaemons({ environment: clock.environment });
      const { east, west } = daemons;
      const told = await federate(daemons);

      // A certificate of the web lasts for days; an X.509-SVID for minutes, and so for those who agree on the minute.
      expect(told).toEqual([null, "the bundle endpoint shows a certificate that is not valid now"]);
      expect((await refreshed(east, WEST)).failure).toBeUndefined();
      const { failure, sequence } = await refreshed(west, EAST);
      expect(failure).toBe("the bundle endpoint shows a certificate that is not valid now");
      expect(sequence).toBeDefined();

      const atEast = await verifierAt(east);
      expect(seenBy(atEast, await presentedBy(west))).toEqual([ofWest, ofWest]);
      const atWest = await verifierAt(west, { clock: clockWith(offset) });
      expect(seenBy(atWest, await presentedBy(east))).toEqual([ofEast, ofEast]);
    },
  );
});
