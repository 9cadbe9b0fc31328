import { beforeAll, expect } from "vitest";
import { cliScene, data, grant, tool } from "../cli-scene.ts";

/** As hostile as a runtime may make it: text without control characters. */
const HOSTILE_PURPOSE = `<img src=x onerror=alert(1)>'"><script>alert(2)</script>&amp; שלום`;

/** A broker in whose ledger something of most kinds is recorded, and reports about it. */
export function reportScene() {
  const scene = cliScene();
  /** Whole seconds behind everything that was recorded: at this instant a report ends after it. */
  let now = 0;
  /** Between what the first step did and all else. */
  let middle = 0;

  beforeAll(async () => {
    const done = await scene.openStep("r-done");
    await scene.issueBoth(done);
    await data(scene.stint(["-o", "json", "step", "close", done, "--outcome", "completed"]));
    middle = Date.now();
    const open = await scene.openStep("r-open", ["--purpose", HOSTILE_PURPOSE]);
    await scene.issueBoth(open);
    const [issued] = await data(
      scene.stint(["-o", "json", "history", "issuances", "--run", "r-open", "--kind", "jwt"]),
    );
    await ran(["revoke", "--jti", String(issued?.["jti"]), "--reason", "keyCompromise"]);
    const wide = JSON.stringify([{ ...tool, actions: ["write"] }]);
    for (const run of ["r-wide-1", "r-wide-2"]) {
      const asked = ["--run", run, "--step", "s", "--agent", "researcher", "--executor", "any"];
      const { status } = await scene.stint(["step", "open", ...asked, "--grant", wide]);
      expect(status).toBe(1);
    }
    await ran([
      "entry",
      "create",
      "verifier/archive",
      "--selector",
      "unix:uid:65533",
      "--audience",
      "https://a.example",
    ]);
    await ran(["entry", "disable", "verifier/archive"]);
    await ran(["risk", "set", "--scope", "run:r-open", "--level", "elevated", "--reason", "looks odd"]);
    await ran(["hold", "place", "--run", "r-done", "--reason", "case 4711"]);
    await ran(["authority", "prepare", "jwt"]);
    now = Math.floor(Date.now() / 1_000) * 1_000 + 2_000;
  }, 120_000);

  async function ran(args: readonly string[]): Promise<void> {
    const { status, err } = await scene.operator(args);
    expect([args, status, err]).toEqual([args, 0, err]);
  }

  return {
    ...scene,
    grant,
    now: () => now,
    middle: () => middle,
    /** Runs a command at an instant that is behind everything that was recorded. */
    at: (args: readonly string[], input?: string) =>
      scene.operator(args, { now, ...(input === undefined ? {} : { input }) }),
  };
}
