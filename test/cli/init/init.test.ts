import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { loadConfig } from "../../../src/config/load-config.ts";
import { withAccounts } from "../../../src/domain/local-accounts.ts";
import { STINT } from "../../programs.ts";
import { runStint } from "../running.ts";

let home: string;
let file: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "stint-init-test-"));
  onTestFinished(() => rmSync(home, { recursive: true, force: true }));
  file = join(home, "stint.yaml");
});

const ANSWERS = [
  "--trust-domain=shop.example",
  "--agent=buyer",
  "--agent=packer",
  "--server-url=https://mcp.shop.example/mcp",
  "--operator=olga",
];

/** The file as the daemon reads it once all users that it names are there. */
function read(path = file) {
  const users = ["stint", "agent-runtime", "buyer", "packer", "assistant", "mcp-server", "olga"];
  const accounts = withAccounts({ users: [], groups: [] }, { users, groups: ["stint-operators"] });
  return loadConfig(path, {}, { accounts, user: { uid: 900, gids: [] } });
}

describe("without a terminal", () => {
  test("four flags make a file that the daemon takes, with a user for each role", async () => {
    const { status, out, err } = await runStint(["init", file, ...ANSWERS]);
    expect({ status, err: err.split("\n")[0] }).toEqual({ status: 0, err: `stint: wrote ${file}` });
    const config = read();
    expect(config).toMatchObject({
      trustDomain: "shop.example",
      issuer: "https://stint.shop.example:8443",
      dataDirectory: "/var/lib/stint",
      workload: { socket: "/run/stint/workload.sock" },
      operator: { socket: "/run/stint/operator.sock" },
      development: false,
    });
    expect(config.entries.map(({ kind, name, selectors }) => [kind, name, ...selectors])).toEqual([
      ["operator", "olga", "unix:user:olga"],
      ["runtime", "agent-runtime", "unix:user:agent-runtime"],
      ["agent", "buyer", "unix:user:buyer"],
      ["agent", "packer", "unix:user:packer"],
      ["verifier", "mcp-server", "unix:user:mcp-server"],
    ]);
    expect(out).toContain("useradd --system --user-group --no-create-home --shell /usr/sbin/nologin packer\n");
    expect(statSync(file).mode & 0o777).toBe(0o644);
    expect(readdirSync(home)).toEqual(["stint.yaml"]);
  });

  test("says of the first answer that is missing how to give it, and writes nothing", async () => {
    expect(await runStint(["init", file, "--trust-domain=shop.example"])).toEqual({
      status: 2,
      out: "",
      err: "stint: --agent: needed where nobody can be asked; --yes takes assistant\n",
    });
    expect(existsSync(file)).toBe(false);
  });

  test("--yes takes the usual answer for what no flag gives", async () => {
    expect(await runStint(["init", file, "--yes", "--operator=olga"])).toMatchObject({ status: 0 });
    expect(read().entries.map(({ name }) => name)).toEqual(["olga", "agent-runtime", "assistant", "mcp-server"]);
  });

  test("prints what is to be done as data", async () => {
    const { out } = await runStint(["--output=json", "init", file, ...ANSWERS]);
    const { config_file, setup_commands, next_commands } = JSON.parse(out) as Record<string, readonly string[]>;
    expect(config_file).toBe(file);
    expect(setup_commands?.at(-1)).toBe(`install -D -m 0644 ${file} /etc/stint/stint.yaml`);
    expect(next_commands).toContain("runuser -u stint -- stintd validate");
  });

  test("a file that is there stays as it is, unless --force replaces it", async () => {
    writeFileSync(file, "mine", { mode: 0o666 });
    expect(await runStint(["init", file, ...ANSWERS])).toEqual({
      status: 2,
      out: "",
      err: `stint: ${file} is there already; --force replaces it\n`,
    });
    expect(readFileSync(file, "utf8")).toBe("mine");
    expect(await runStint(["init", file, "--force", ...ANSWERS])).toMatchObject({ status: 0 });
    expect(read().trustDomain).toBe("shop.example");
    expect(statSync(file).mode & 0o777).toBe(0o644);
  });

  test.for([
    { flag: "--trust-domain=Shop.Example", says: "--trust-domain: expected a trust domain of 1 to 255 characters" },
    { flag: "--agent=Bob Builder", says: "--agent: expected names of users: a-z, 0-9, '_', '-'" },
    { flag: "--agent=root", says: "--agent: expected another user than root, who may read the keys" },
    { flag: "--agent=stint", says: "--agent: expected a user for each role alone, and stint is the daemon's" },
    { flag: "--agent=,", says: "--agent: expected at least one name" },
    { flag: "--operator=buyer", says: "--operator: expected a user for each role alone, and buyer is an agent's" },
    { flag: "--runtime-user=stint", says: "--runtime-user: expected a user for each role alone, and stint is" },
    { flag: "--server-url=https://MCP.shop.example/", says: "--server-url: expected a canonical http(s) URI" },
    { flag: "--operator-group=a b", says: "--operator-group: expected the name of a group" },
    { flag: "--issuer=http://stint.shop.example", says: "issuer: expected an https URL" },
    { flag: "--data-directory=stint", says: "data_directory: expected an absolute path" },
    {
      flag: `--socket-directory=/${"x".repeat(100)}`,
      says: "workload.socket: expected an absolute path of at most 107",
    },
  ])("refuses $flag with what belongs there, and writes nothing", async ({ flag, says }) => {
    const [name] = flag.split("=");
    const others = ANSWERS.filter((one) => !one.startsWith(`${name}=`));
    const { status, err } = await runStint(["init", file, ...others, flag]);
    expect({ status, err }).toEqual({ status: 2, err: expect.stringContaining(says) as string });
    expect(readdirSync(home)).toEqual([]);
  });

  test("says before it asks that its file can't be written", async () => {
    expect(await runStint(["init", join(home, "missing", "stint.yaml")])).toEqual({
      status: 2,
      out: "",
      err: `stint: ${join(home, "missing", "stint.yaml")}: can't be written (ENOENT)\n`,
    });
  });

  test("names that mean something else to YAML are names all the same", async () => {
    const flags = [
      "--trust-domain=1.10",
      "--issuer=https://stint.example",
      "--agent=null",
      "--agent=yes",
      "--server-url=https://mcp.example",
      "--operator=true",
    ];
    expect(await runStint(["init", file, ...flags])).toMatchObject({ status: 0 });
    const { trustDomain, entries } = read();
    expect([trustDomain, ...entries.map(({ name }) => name)]).toEqual([
      ...["1.10", "true", "agent-runtime", "null", "yes", "mcp-server"],
    ]);
  });
});

describe("on a terminal", () => {
  /** Types lines, each once the output has what it answers. script(1) makes the terminal. */
  async function typed(dialogue: readonly (readonly [shown: string, typed: string])[], ...args: readonly string[]) {
    const command = [process.execPath, STINT, "init", file, ...args].join(" ");
    const child = spawn("script", ["--quiet", "--return", "--command", command, "/dev/null"], {
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, SUDO_USER: "olga" },
    });
    let shown = "";
    const rest = [...dialogue];
    child.stdout.on("data", (bytes: Buffer) => {
      shown += bytes.toString();
      for (let [next] = rest; next !== undefined && shown.includes(next[0]); [next] = rest) {
        shown = shown.slice(shown.indexOf(next[0]) + next[0].length);
        rest.shift();
        child.stdin.write(next[1]);
      }
    });
    const [status] = (await once(child, "close")) as [number];
    return { status, left: rest, shown };
  }

  test("asks four questions, and one again that was not answered right", async () => {
    const { status, left } = await typed([
      ["can't be changed later [", "Shop.Example\n"],
      ["--trust-domain: expected a trust domain", ""],
      ["can't be changed later [", "shop.example\n"],
      ["with commas [assistant]", "buyer, packer\n"],
      ["tools they call? [https://mcp.shop.example/mcp]", "\n"],
      ["with commas [olga]", "packer\n"],
      ["packer is an agent's", ""],
      ["with commas [olga]", "\n"],
      ["wrote", ""],
    ]);
    expect({ status, left }).toEqual({ status: 0, left: [] });
    expect(read().entries.map(({ name }) => name)).toEqual(["olga", "agent-runtime", "buyer", "packer", "mcp-server"]);
  });

  test("asks nothing that a flag says, and ends without a file where nobody answers", async () => {
    // End of input.
    const { status, left, shown } = await typed([["with commas [assistant]", "\x04"]], "--trust-domain=shop.example");
    expect({ status, left }).toEqual({ status: 1, left: [] });
    expect(shown).toContain("not answered, nothing is written");
    expect(existsSync(file)).toBe(false);
  });
});
