import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { gunzipSync } from "node:zlib";
import { expect, onTestFinished, test } from "vitest";
import type { Daemon } from "../daemon.ts";
import { openStep, READY, readiness, sessionWith, startOwnDaemon } from "../faults/daemon-scene.ts";

const run = promisify(execFile);
const folder = import.meta.dirname;
const scripts = join(folder, "../../scripts");
/** Each command is a process of its own, on a machine that may be busy. */
const SCRIPT_MS_MAX = 120_000;

test(
  "the guide's backup is put back as the guide says",
  async () => {
    const backup = mkdtempSync(join(tmpdir(), "stint-backup-"));
    onTestFinished(() => rmSync(backup, { recursive: true }));
    const directory = join(backup, "restored");
    const part = (name: string, { operatorSocket }: Pick<Daemon, "operatorSocket">) =>
      run("bash", [join(folder, "backup.sh")], {
        env: {
          ...process.env,
          PATH: `${scripts}${delimiter}${process.env["PATH"] ?? ""}`,
          STINT_OPERATOR_SOCKET: operatorSocket,
          part: name,
          backup,
          data: join(directory, "data"),
        },
      });
    const daemon = await startOwnDaemon();
    await openStep(sessionWith(daemon), "before");
    await part("backup", daemon);
    expect(
      gunzipSync(readFileSync(join(backup, "monday.db.gz")))
        .subarray(0, 15)
        .toString(),
    ).toBe("SQLite format 3");
    await part("restore", daemon);
    const restored = await startOwnDaemon({ directory });
    expect(await readiness(restored)).toMatchObject({ ready: false });
    await part("accept", restored);
    expect(await readiness(restored)).toEqual(READY);
  },
  SCRIPT_MS_MAX,
);
