import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { expect, onTestFinished, test } from "vitest";
import type { Diagnosis } from "../../src/doctor/diagnosis.ts";
import { isRoot, succeeds } from "../adapters/attestor-unix/peer-processes.ts";
import { STINT, STINTD } from "../programs.ts";

/*
 * What somebody types who has a plain server: `stint init`, what it says is to be done, `stintd validate`, `stintd run`, `stint doctor`,
 * `stint status`. The users are made in copies of the machine's files, in a mount namespace, and are gone with it.
 */
const FIRST_START = `
set -eu
cp -a /etc/. etc; mount --bind etc /etc; mount --bind lib /var/lib
for place in /run /home /var/mail; do mount -t tmpfs none "$place"; done

stint --output json init stint.yaml --yes --trust-domain shop.example --agent buyer --operator olga > init.json
stint --output json doctor --config stint.yaml > before.json && status=0 || status=$?
echo "$status" > before.status
node -p 'JSON.parse(fs.readFileSync("init.json")).setup_commands.join("\\n")' > setup.sh
sh -eu setup.sh
# Another broker of this machine may have the usual port.
sed -i 's/^  plain_on_loopback: true$/&\\n  listen: 127.0.0.1:0/' /etc/stint/stint.yaml
stint init again.yaml --yes --trust-domain shop.example --agent buyer --operator olga > again.sh 2> /dev/null

runuser -u stint -- stintd validate > validate.txt 2> /dev/null
mkfifo log
runuser -u stint -- stintd run 2> log &
grep --max-count=1 '"msg":"serving"' < log > serving.json
stint --output json doctor > after.json
runuser -u olga -- stint --output json doctor > olga.json
runuser -u olga -- stint --output json status > status.json
`;

test.skipIf(!isRoot)(
  "a machine without anything of Stint serves by what init says, and doctor has told all that was missing",
  async ({ skip }) => {
    skip(!succeeds(["unshare", "--mount", "useradd", "--help"]), "needs leave to make namespaces, and useradd");
    const home = mkdtempSync(join(tmpdir(), "stint-first-"));
    chmodSync(home, 0o755);
    onTestFinished(() => rmSync(home, { recursive: true, force: true }));
    // As an installed package has them.
    for (const [name, program] of [
      ["stint", STINT],
      ["stintd", STINTD],
    ] as const) {
      writeFileSync(join(home, name), `#!/bin/sh\nexec ${process.execPath} ${program} "$@"\n`, { mode: 0o755 });
    }
    writeFileSync(join(home, "first-start.sh"), FIRST_START);
    const made = "mkdir etc lib && exec sh first-start.sh";
    const child = spawn("unshare", ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", made], {
      cwd: home,
      env: { ...process.env, PATH: `${home}:${join(process.execPath, "..")}:${process.env["PATH"]}` },
      stdio: ["ignore", "inherit", "inherit"],
    });
    expect(await once(child, "exit")).toEqual([0, null]);
    const read = (name: string) => readFileSync(join(home, name), "utf8");
    const diagnoses = (name: string) => JSON.parse(read(name)) as readonly Diagnosis[];
    const errors = (name: string) => diagnoses(name).filter(({ severity }) => severity === "error");

    expect(errors("before.json").map(({ what }) => what)).toEqual([
      "there is no group stint-operators, which operator.group names",
      ...["operator/olga", "runtime/agent-runtime", "agent/buyer", "verifier/mcp-server"].map((entry) => {
        const [, name] = entry.split("/");
        return `there is no user ${name}, whom ${entry} names`;
      }),
      "/run/stint, where sockets are to stand, is not there",
    ]);
    expect(read("before.status")).toBe("1\n");
    // Nothing is left to do but for another file to be put into place.
    expect(read("again.sh")).toBe(`install -D -m 0644 ${home}/again.yaml /etc/stint/stint.yaml\n`);
    expect(read("validate.txt")).toBe("valid; there is no database yet\n");
    expect(errors("after.json")).toEqual([]);
    expect(diagnoses("olga.json")).toContainEqual({
      ...{ severity: "ok", subject: "broker", what: "the broker of shop.example is ready", why: null, mend: null },
    });
    expect(JSON.parse(read("status.json"))).toMatchObject({ ready: true, trust_domain: "shop.example" });
  },
);
