import { execFile } from "node:child_process";
import { hash } from "node:crypto";
import { globSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import type { Daemon } from "../daemon.ts";
import { READY, readiness } from "../faults/daemon-scene.ts";
import { isWhole } from "../release/amount.ts";
import { BUILD_MS_MAX, isWithoutPrevious, type Previous, previousMinor } from "./previous.ts";
import { json, newPlace, type Place, readingAt, run } from "./scene.ts";
import { sdkOf } from "./sdks.ts";

/** Several daemons are started one after the other, on a machine that may be busy. */
vi.setConfig({ testTimeout: 180_000 });

const RESOURCE = "https://library.example/mcp";
const REFUSAL = "0025_replicas.sql was applied by a newer version and is unknown to this one";

let previous: Previous;

async function started(place: Place, version: Previous | "this"): Promise<Daemon> {
  const daemon = await place.start(version);
  onTestFinished(() => daemon[Symbol.asyncDispose]());
  return daemon;
}

/**
 * Every file of the data directory that has something in it, by its digest. But for what readers of a database share, which `stintd validate`
 * leaves beside it, with a write-ahead log that is empty.
 */
function contentOf({ directory }: Place): Readonly<Record<string, string>> {
  const data = join(directory, "data");
  const files = globSync("**/*", { cwd: data, exclude: ["**/*-shm"] }).filter((name) => {
    const facts = statSync(join(data, name));
    return facts.isFile() && facts.size > 0;
  });
  return Object.fromEntries(files.sort().map((name) => [name, hash("sha256", readFileSync(join(data, name)))]));
}

/** Has a step opened, issued a token, and left open. */
async function tokenOfStep(daemon: Daemon, version: Previous | "this", runId: string): Promise<string> {
  const { createStint } = (await sdkOf(version)).runtime;
  const runtime = createStint({ endpoint: daemon.workloadSocket, agent: "researcher" });
  onTestFinished(() => runtime.close());
  const step = await runtime.openStep({ runId, step: "search", grant: [readingAt(RESOURCE)] as never });
  return (await step.jwtSvid(RESOURCE)).svid();
}

/** A part of the guide's commands, with the programs of a version. */
async function guide(place: Place, version: Previous | "this", part: string): Promise<string> {
  const { stdout } = await promisify(execFile)("bash", [resolve(import.meta.dirname, "../docs/upgrade.sh")], {
    env: {
      ...process.env,
      PATH: `${programsOf(place, version)}${delimiter}${process.env["PATH"] ?? ""}`,
      STINT_OPERATOR_SOCKET: join(place.directory, "operator.sock"),
      part,
      backup: place.directory,
      config: join(place.directory, "stint.yaml"),
      data: join(place.directory, "data"),
    },
  });
  return stdout;
}

function programsOf({ directory }: Place, version: Previous | "this"): string {
  if (version === "this") return resolve(import.meta.dirname, "../../scripts");
  const programs = join(directory, "programs");
  mkdirSync(programs, { recursive: true });
  const script = `#!/bin/sh\nexec "${process.execPath}" "${version.stint}" "$@"\n`;
  writeFileSync(join(programs, "stint"), script, { mode: 0o755 });
  return programs;
}

describe.skipIf(isWithoutPrevious)("the way back to the previous version", () => {
  beforeAll(async () => {
    previous = await previousMinor();
  }, BUILD_MS_MAX);

  test("is refused by that version on a data directory that this one has upgraded, by name; nothing is changed, and this one goes on", async () => {
    const place = newPlace(RESOURCE);
    const before = await started(place, previous);
    await tokenOfStep(before, previous, "before");
    expect(await before.stop()).toBe(0);
    const upgraded = await started(place, "this");
    await tokenOfStep(upgraded, "this", "since");
    expect(await upgraded.stop()).toBe(0);

    const content = contentOf(place);
    await expect(place.start(previous)).rejects.toThrow(REFUSAL);
    const validated = await run(previous.stintd, ["validate", "--config", join(place.directory, "stint.yaml")]);
    expect(validated).toEqual({ status: 1, out: "", err: `stintd: ledger migrations: ${REFUSAL}\n` });
    expect(contentOf(place)).toEqual(content);

    const again = await started(place, "this");
    expect(await readiness(again)).toEqual(READY);
    expect(await place.stint("this")("ledger", "verify")).toMatchObject({ status: 0 });
    const runs = (await json(place.stint("this"), "step", "list")).map((step) => step["run_id"]);
    expect(runs).toEqual(["since", "before"]);
  });

  test.skipIf(!isWhole)(
    "is a backup of before the upgrade, put back as the guide says: that version issues again once it is accepted, and what this one signed verifies no more",
    async () => {
      const place = newPlace(RESOURCE);
      const before = await started(place, previous);
      const tokens = [await tokenOfStep(before, previous, "before")];
      await guide(place, previous, "before");
      expect(await before.stop()).toBe(0);
      expect(await guide(place, "this", "validate")).toContain("the ledger is an older version's");
      const upgraded = await started(place, "this");
      tokens.push(await tokenOfStep(upgraded, "this", "since"));
      await guide(place, "this", "after");
      expect(await upgraded.stop()).toBe(0);

      await guide(place, previous, "back");
      const back = await started(place, previous);
      expect(await readiness(back)).toMatchObject({ ready: false });
      await guide(place, previous, "accept");
      expect(await readiness(back)).toEqual(READY);
      const { createVerifier } = (await sdkOf(previous)).verifier;
      const verifier = createVerifier({ endpoint: back.workloadSocket, audiences: [RESOURCE], development: true });
      onTestFinished(() => verifier.close());
      await verifier.ready();
      for (const token of tokens) expect(() => verifier.verify(token)).toThrow();
      expect(verifier.verify(await tokenOfStep(back, previous, "back")).step.runId).toBe("back");
    },
  );
});
