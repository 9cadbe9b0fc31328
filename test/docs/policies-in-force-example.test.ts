import { execFile } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { startDaemon } from "../daemon.ts";

const run = promisify(execFile);
const folder = import.meta.dirname;
/** Each command is a process of its own, on a machine that may be busy. */
const SCRIPT_MS_MAX = 240_000;

test(
  "the guide to policies in force: the settings are taken, and its commands do what it says",
  async () => {
    const { policies } = parse(readFileSync(join(folder, "policies-in-force.yaml"), "utf8")) as { policies: object };
    const selectors = [`unix:uid:${process.getuid?.()}`];
    await using daemon = await startDaemon({
      entries: [{ kind: "agent", name: "researcher", selectors, ceiling: [], may_open: true }],
      config(directory) {
        mkdirSync(join(directory, "site"));
        writeFileSync(join(directory, "site", "site.cedar"), "// None yet.\n");
        cpSync(join(folder, "policies"), join(directory, "policies"), { recursive: true });
        return { policies: { ...policies, directory: join(directory, "site") } };
      },
    });
    const { stdout, stderr } = await run("sh", ["-e", join(folder, "policies-in-force.sh")], {
      cwd: daemon.directory,
      env: {
        ...process.env,
        PATH: `${join(folder, "../../scripts")}${delimiter}${process.env["PATH"] ?? ""}`,
        STINT_OPERATOR_SOCKET: daemon.operatorSocket,
      },
    });
    expect(stdout).toMatch(/^in_force_version +1$/m);
    expect(stdout).toContain('@id("baseline.ratchet")');
    expect(stdout).toMatch(/^added +policy /m);
    expect(stdout).toContain('@id("suggested.researcher.steps")');
    expect(stderr).toContain("version 2 is in force");
    expect(stderr).toContain("version 1 is in force");
  },
  SCRIPT_MS_MAX,
);
