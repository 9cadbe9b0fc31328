import { statSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import type { Daemon } from "../daemon.ts";
import { STINTD } from "../programs.ts";
import { isWhole } from "../release/amount.ts";
import { allTold } from "./all-told.ts";
import { judged, startContent } from "./content.ts";
import { BUILD_MS_MAX, isWithoutPrevious, type Previous, previousMinor } from "./previous.ts";
import { json, type Place, run } from "./scene.ts";
import { sdkOf } from "./sdks.ts";

// A ledger with everything in it that the previous version has, under this one and back. Runtime and verifier are that version's, and stay
// connected all the while.

/** Several daemons are started one after the other, on a machine that may be busy. */
vi.setConfig({ testTimeout: 180_000 });

/** What this version's migrations are, after the previous one's. */
const MIGRATIONS = ["0025_replicas.sql", "0026_exchange_replica.sql", "0027_node_groups.sql"];

let previous: Previous;

async function started(place: Place, version: Previous | "this"): Promise<Daemon> {
  const daemon = await place.start(version);
  onTestFinished(() => daemon[Symbol.asyncDispose]());
  return daemon;
}

async function keysTold({ httpUrl }: Daemon): Promise<unknown> {
  return (await fetch(`${httpUrl}/jwks.json`)).json();
}

describe.skipIf(isWithoutPrevious)("a ledger of the previous version", () => {
  beforeAll(async () => {
    previous = await previousMinor();
  }, BUILD_MS_MAX);

  test.for(isWhole ? (["stopped", "killed"] as const) : (["killed"] as const))(
    "goes on under this one after that one was %s: all that was there is told, open steps go on, and what ends is refused",
    async (how) => {
      const content = await startContent(previous);
      const { place, daemon, verifier, open, child, leased, token, tokens, pending } = content;
      const before = await allTold(place, "this");
      const keys = await keysTold(daemon);
      if (how === "stopped") expect(await daemon.stop()).toBe(0);
      else await daemon.kill();
      // What was killed leaves a write-ahead log, which this version has to read.
      const log = statSync(join(place.directory, "data/ledger/ledger.db-wal"), { throwIfNoEntry: false });
      expect((log?.size ?? 0) > 0).toBe(how === "killed");
      const validated = await run(STINTD, ["validate", "--config", join(place.directory, "stint.yaml")]);
      expect(validated).toMatchObject({
        status: 0,
        out: "valid; the ledger is an older version's: running upgrades it first, and that version does not start on it any more\n",
      });

      const now = await started(place, "this");
      expect(now.log).toContainEqual(
        expect.objectContaining({
          msg: "the ledger was upgraded: an older version does not start on it any more",
          applied: MIGRATIONS.join(", "),
        }),
      );
      expect(await place.stint("this")("ledger", "verify")).toMatchObject({ status: 0 });
      expect(await allTold(place, "this")).toMatchObject(before);
      expect(await keysTold(now)).toEqual(keys);

      // That version's verifier, which has been there all the while, and one of this version, which has only just come.
      const { createVerifier } = (await sdkOf("this")).verifier;
      const settings = { endpoint: now.workloadSocket, audiences: [content.resource.url], development: true };
      const newcomer = createVerifier(settings);
      onTestFinished(() => newcomer.close());
      await newcomer.ready();
      await vi.waitFor(() => expect(verifier.status().connected).toBe(true));
      for (const one of [verifier, newcomer]) {
        expect([token, tokens.ended, tokens.revoked].map((each) => judged(one, each))).toEqual([
          "accepted",
          "REVOKED",
          "REVOKED",
        ]);
      }

      // Whom steps work for is told by what lies beside the ledger.
      expect(await json(place.stint("this"), "principal", "list")).toMatchObject([{ subject: "ada" }]);
      await leased.renew();
      expect((await child.x509Svid()).certificates.length).toBeGreaterThan(0);
      const renewed = await vi.waitFor(() => open.jwtSvid(content.resource.url, { grant: [] }));
      expect(judged(newcomer, renewed.svid())).toBe("accepted");
      expect((await open.fetch(content.resource.url)).status).toBe(200);
      content.giveUp();
      await expect(pending).rejects.toThrow("nobody waits any more");
      expect(await open.close()).toMatchObject({ state: "COMPLETED" });
      const lasting = (await leased.jwtSvid(content.resource.url, { grant: [] })).svid();
      for (const one of [verifier, newcomer]) {
        await vi.waitFor(() => expect(judged(one, token)).toBe("REVOKED"));
        expect(judged(one, lasting)).toBe("accepted");
      }
      const states = (await json(place.stint("this"), "step", "list")).map((step) => [step["run_id"], step["state"]]);
      expect(states).toEqual(
        expect.arrayContaining([
          ["goes-on", "COMPLETED"],
          ["goes-on", "CANCELLED"],
          ["waits", "CANCELLED"],
          ["leased", "OPEN"],
        ]),
      );
      expect(await place.stint("this")("ledger", "verify")).toMatchObject({ status: 0 });
    },
  );
});
