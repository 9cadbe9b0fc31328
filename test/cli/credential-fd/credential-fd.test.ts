import { constants, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { decodeJwt } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Daemon, startDaemon } from "../../daemon.ts";
import { STINT } from "../../programs.ts";
import { ENTRIES, FIRST, GRANT, IDENTITY, type Line, run, SECOND, scratch, start } from "./scene.ts";

/** The bits that say whether one reads, writes, or both. */
const O_ACCMODE = 3;
const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
/** Two lines, as they come, whatever the language. */
const READERS = {
  bash: ["bash", "-c", 'for n in 1 2; do IFS= read -r line <&"$STINT_CREDENTIAL_FD" && printf "%s\\n" "$line"; done'],
  "bash, by the name of the descriptor": ["bash", "-c", 'head -n 2 "/dev/fd/$STINT_CREDENTIAL_FD"'],
  sh: ["sh", "-c", 'eval "exec 9<&$STINT_CREDENTIAL_FD"; for n in 1 2; do IFS= read -r line <&9 && echo "$line"; done'],
  python: [
    "python3",
    "-c",
    'import os\nf = open(int(os.environ["STINT_CREDENTIAL_FD"]))\nfor _ in range(2): print(f.readline(), end="")',
  ],
  node: [
    process.execPath,
    "-e",
    `const lines = require("readline").createInterface({ input: require("fs").createReadStream("", { fd: +process.env.STINT_CREDENTIAL_FD }) });
     let n = 0; lines.on("line", (line) => { console.log(line); if (++n === 2) process.exit(0); });`,
  ],
} as const;

let daemon: Daemon;
beforeAll(async () => {
  daemon = await startDaemon({ entries: ENTRIES });
});
afterAll(() => daemon[Symbol.asyncDispose]());

const linesOf = (out: string) =>
  out
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line);

async function stateOf(step: string): Promise<{ state: string; executor: { pid: number } }> {
  const shown = start(["--operator-socket", daemon.operatorSocket, "-o", "json", "step", "show", `r/${step}`]);
  expect([await shown.exited, shown.err()]).toEqual([0, ""]);
  return JSON.parse(shown.out()) as { state: string; executor: { pid: number } };
}

describe("a command reads the credentials of its step from a descriptor", () => {
  test.for(Object.entries(READERS))("in %s", async ([name, command]) => {
    const step = name.replaceAll(/[^a-z]/g, "-");
    const ran = run(daemon.workloadSocket, command, { step });
    expect([await ran.exited, ran.err()]).toEqual([0, ""]);
    const lines = linesOf(ran.out());
    expect(lines.map(({ audience }) => audience)).toEqual([FIRST, SECOND]);
    for (const { audience, token, expires_at } of lines) {
      const claims = decodeJwt(token);
      expect([claims.aud].flat()).toEqual([audience]);
      expect(claims.sub).toBe(`spiffe://example.org/agent/a/run/r/step/${step}/1`);
      expect(expires_at).toMatch(RFC_3339);
      expect(Date.parse(expires_at)).toBe((claims.exp ?? 0) * 1_000);
    }
    expect((await stateOf(step)).state).toBe("COMPLETED");
  });

  test("as one line, with these members in this order", async () => {
    const ran = run(daemon.workloadSocket, READERS.bash, { step: "shape" });
    expect(await ran.exited).toBe(0);
    const [line = ""] = ran.out().split("\n");
    expect(line).toMatch(/^\{"audience":"[^"]+","token":"[^"]+","expires_at":"[^"]+"\}$/);
  });

  test.for([
    { what: "the named ones of the grant", audiences: [SECOND] },
    { what: "one beyond the grant, which the entry allows", audiences: [IDENTITY] },
    { what: "both, in the order in which they are named", audiences: [IDENTITY, FIRST] },
  ])("for no other audience than $what", async ({ what, audiences }) => {
    const step = what.replaceAll(/[^a-z]/g, "-");
    const flags = ["--grant", GRANT, ...audiences.flatMap((one) => ["--audience", one])];
    // The end of the step is the end of the file: were there another line, it would be printed too.
    const read = `while IFS= read -r line; do printf '%s\\n' "$line"; done <&"$STINT_CREDENTIAL_FD"`;
    const ran = run(daemon.workloadSocket, ["bash", "-c", read], { step, flags: [...flags, "--on-end", "ignore"] });
    const lines = linesOf(`${(await ran.lines(audiences.length)).join("\n")}\n`);
    const shown = start(["--socket", daemon.workloadSocket, "step", "close", `r/${step}`]);
    expect([await shown.exited, shown.err()]).toEqual([0, ""]);
    await ran.exited;
    expect(lines.map(({ audience }) => audience)).toEqual(audiences);
    expect(linesOf(ran.out())).toEqual(lines);
  });
});

describe("the descriptor", () => {
  test("is one more than a command has otherwise, a pipe, and can only be read", async () => {
    const look = 'echo "$STINT_CREDENTIAL_FD"; ls /proc/$$/fd';
    const args = ["--socket", daemon.workloadSocket, "step", "run", "--run", "r", "--step", "without", "--agent", "a"];
    const without = start([...args, "--", "sh", "-c", look]);
    const ran = run(daemon.workloadSocket, ["sh", "-c", look], { step: "with" });
    expect([await without.exited, await ran.exited, without.err() + ran.err()]).toEqual([0, 0, ""]);
    const [, ...usual] = without.out().trimEnd().split("\n");
    const [number = "", ...descriptors] = ran.out().trimEnd().split("\n");
    expect(Number(number)).toBeGreaterThan(2);
    expect(descriptors.toSorted()).toEqual([...usual, number].toSorted());

    const flagsOf = 'stat -Lc %F "/dev/fd/$STINT_CREDENTIAL_FD"; grep flags /proc/$$/fdinfo/$STINT_CREDENTIAL_FD';
    const kind = run(daemon.workloadSocket, ["sh", "-c", flagsOf], { step: "kind" });
    expect([await kind.exited, kind.err()]).toEqual([0, ""]);
    const [type, flags = ""] = kind.out().split("\n");
    const bits = Number.parseInt(flags.split(/\s+/)[1] ?? "", 8);
    expect(type).toBe("fifo");
    // With O_NONBLOCK a shell's read would fail; with O_RDWR nobody would ever read the end.
    expect(bits & (O_ACCMODE | constants.O_NONBLOCK)).toBe(constants.O_RDONLY);
  });

  test("has one other end, by which the sender can only write: else whoever reads would never come to the end", async () => {
    const look = `own=$(readlink "/proc/$$/fd/$STINT_CREDENTIAL_FD")
      for fd in /proc/$PPID/fd/*; do
        [ "$(readlink "$fd")" != "$own" ] || grep flags "/proc/$PPID/fdinfo/\${fd##*/}"
      done`;
    const ran = run(daemon.workloadSocket, ["bash", "-c", look], { step: "ends" });
    expect([await ran.exited, ran.err()]).toEqual([0, ""]);
    const ends = ran.out().trimEnd().split("\n");
    expect(ends.map((flags) => Number.parseInt(flags.split(/\s+/)[1] ?? "", 8) & O_ACCMODE)).toEqual([
      constants.O_WRONLY,
    ]);
  });

  test("is named to no command that does not have it, whatever this process was told", async () => {
    const args = ["--socket", daemon.workloadSocket, "step", "run", "--run", "r", "--step", "bare", "--agent", "a"];
    const ran = start([...args, "--", "sh", "-c", 'echo "<$STINT_CREDENTIAL_FD>"'], { STINT_CREDENTIAL_FD: "7" });
    expect([await ran.exited, ran.err(), ran.out()]).toEqual([0, "", "<>\n"]);
  });

  test("leaves nothing behind in the directory of temporary files", async () => {
    const directory = scratch();
    const look = ["sh", "-c", `ls -A ${directory}`];
    const ran = run(daemon.workloadSocket, look, { step: "clean", environment: { TMPDIR: directory } });
    expect([await ran.exited, ran.out(), ran.err()]).toEqual([0, "", ""]);
  });

  test("is closed as the step ends, under a command that goes on", async () => {
    const read = 'echo "$STINT_STEP_ID"; cat <&"$STINT_CREDENTIAL_FD"; echo over';
    const flags = ["--grant", GRANT, "--on-end", "ignore"];
    const ran = run(daemon.workloadSocket, ["bash", "-c", read], { step: "revoked", flags });
    const [stepId = ""] = await ran.lines(3);
    const revoke = start([
      "--operator-socket",
      daemon.operatorSocket,
      "revoke",
      "--step-id",
      stepId,
      "--reason",
      "privilegeWithdrawn",
    ]);
    expect(await revoke.exited).toBe(0);
    expect(await ran.exited).toBe(1);
    expect(ran.out()).toMatch(/\nover\n$/);
    expect(ran.err()).toContain("the step is REVOKED");
  });

  test("is closed as a later attempt supersedes the step", async () => {
    const read = 'cat <&"$STINT_CREDENTIAL_FD"; echo over';
    const flags = ["--grant", GRANT, "--on-end", "ignore"];
    const ran = run(daemon.workloadSocket, ["bash", "-c", read], { step: "twice", flags });
    await ran.lines(2);
    const again = run(daemon.workloadSocket, ["true"], { step: "twice", flags: ["--grant", GRANT, "--attempt", "2"] });
    expect([await again.exited, again.err()]).toEqual([0, ""]);
    expect(await ran.exited).toBe(1);
    expect(ran.out()).toMatch(/\nover\n$/);
  });

  test("is closed as the process dies that sends", async () => {
    const file = join(scratch(), "over");
    const read = `cat <&"$STINT_CREDENTIAL_FD"; mv "$0.part" "$0"`;
    const ran = run(daemon.workloadSocket, ["bash", "-c", `: > "$0.part"; ${read}`, file], { step: "killed" });
    await ran.lines(2);
    ran.child.kill("SIGKILL");
    // Standard output closes with the last process that has it, which is the command.
    await ran.exited;
    expect(statSync(file).isFile()).toBe(true);
  });
});

describe("a command", () => {
  test("that never reads, or closes its end, ends as any other", async () => {
    const never = run(daemon.workloadSocket, ["true"], { step: "never" });
    expect([await never.exited, never.err()]).toEqual([0, ""]);
    const closing = run(daemon.workloadSocket, ["bash", "-c", 'eval "exec $STINT_CREDENTIAL_FD<&-"'], { step: "shut" });
    expect([await closing.exited, closing.err()]).toEqual([0, ""]);
  });

  test("and whoever looks at it find no token in arguments, environments, or what is said", async () => {
    const file = join(scratch(), "seen");
    const look = `{ head -n 2 "/dev/fd/$STINT_CREDENTIAL_FD" >&3; cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null; } 3>"$0.tokens" | tr '\\0' '\\n' > "$0"`;
    const ran = run(daemon.workloadSocket, ["bash", "-c", look, file], { step: "looks" });
    expect([await ran.exited, ran.out(), ran.err()]).toEqual([0, "", ""]);
    const tokens = linesOf(readFileSync(`${file}.tokens`, "utf8")).map(({ token }) => token);
    expect(tokens).toHaveLength(2);
    const seen = `${readFileSync(file, "utf8")}${daemon.stderr()}`;
    expect(seen).toContain("STINT_CREDENTIAL_FD=");
    for (const token of tokens) expect(seen).not.toContain(token.split(".")[2]);
  });

  test("is not the executor, and asks the broker for nothing", async () => {
    const ask = ["sh", "-c", `exec "$0" "$1" svid jwt --audience ${FIRST}`, process.execPath, process.argv[1] ?? ""];
    const ran = run(daemon.workloadSocket, [...ask.slice(0, 4), STINT], { step: "asks" });
    expect(await ran.exited).toBe(1);
    expect(ran.err()).toContain("NOT_ENTITLED: the step is its executor's alone");
  });

  test("of a tree has credentials sent, and asks for more by itself", async () => {
    const script = `head -n 1 "/dev/fd/$STINT_CREDENTIAL_FD"; "$0" "${STINT}" -o json svid jwt --audience ${SECOND}`;
    const flags = ["--grant", GRANT, "--executor", "tree"];
    const ran = run(daemon.workloadSocket, ["bash", "-c", script, process.execPath], {
      step: "tree",
      agent: "forking",
      flags,
    });
    expect([await ran.exited, ran.err()]).toEqual([0, ""]);
    expect(ran.out()).toContain(`{"audience":"${FIRST}"`);
    expect(ran.out()).toContain(`"audience": "${SECOND}"`);
  });
});

describe("before the command runs,", () => {
  test.for([
    {
      what: "an audience that the entry does not allow",
      flags: ["--grant", GRANT, "--audience", "https://other.example"],
      status: 1,
      says: /^stint: --audience: AUDIENCE_INVALID: the agent's entry does not allow one of the audiences\n$/,
    },
    {
      what: "an audience that is not among what was granted",
      flags: [
        "--grant",
        GRANT.replaceAll(SECOND, "https://third.example"),
        "--allow-partial",
        "--audience",
        "https://third.example",
      ],
      status: 1,
      says: /^stint: --audience: AUDIENCE_INVALID: audiences\[0\]: neither a location of the step's grant .*; the command has not run\n$/,
    },
    {
      what: "a step without any audience",
      flags: [],
      status: 2,
      says: /^stint: --credential-fd: nothing to send: a --grant or an --audience says for whom/,
    },
    {
      what: "an agent whose entry is for another program than the one that would get its credentials",
      flags: ["--grant", GRANT],
      agent: "elsewhere",
      status: 1,
      says: /^stint: NOT_ENTITLED: .*has to match its process, not the command's\n$/,
    },
  ])("$what is refused", async ({ what, flags, agent, status, says }) => {
    const step = what.replaceAll(/[^a-z]/g, "-");
    const proof = join(scratch(), "ran");
    const given = { step, flags, ...(agent !== undefined && { agent }) };
    const ran = run(daemon.workloadSocket, ["touch", proof], given);
    expect([await ran.exited, ran.err()]).toEqual([status, expect.stringMatching(says)]);
    expect(() => statSync(proof)).toThrow("ENOENT");
  });

  test("a pipe that can't be made is said, and no step is opened", async () => {
    const directory = scratch();
    const environment = { TMPDIR: join(directory, "none") };
    const ran = run(daemon.workloadSocket, ["touch", join(directory, "ran")], { step: "no-place", environment });
    const said = "stint: --credential-fd: can't make a pipe in the directory for temporary files\n";
    expect([await ran.exited, ran.err()]).toEqual([1, said]);
    const shown = start(["--operator-socket", daemon.operatorSocket, "step", "show", "r/no-place"]);
    expect(await shown.exited).toBe(1);
    expect(shown.err()).toContain("STEP_NOT_FOUND");
  });
});
