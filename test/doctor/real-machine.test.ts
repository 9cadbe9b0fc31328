import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chownSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { describe, expect, onTestFinished, test } from "vitest";
import { madeCertificate } from "../api/http/http-peers.ts";
import { DAEMON_UID, doctor, machine, OTHER_UID } from "./doctored-machine.ts";

// Real faults, as root can make them, and the command itself.

const isRoot = process.getuid?.() === 0;

/** The data directory as a broker leaves it, of the daemon's user. */
function withData(of: { readonly data: string }, mode = 0o700): void {
  for (const [path, bits] of [
    [of.data, mode],
    [join(of.data, "keys"), 0o700],
  ] as const) {
    mkdirSync(path, { mode: bits });
    chownSync(path, DAEMON_UID, DAEMON_UID);
  }
}

/** A program of a user that listens at a path and never answers. */
async function listener(path: string, uid: number, before: readonly string[] = []) {
  const script = `require("node:net").createServer().listen(process.argv[1], () => console.log("listens"))`;
  // A change of user takes back what ends a process with its parent.
  const as = ["setpriv", `--reuid=${uid}`, `--regid=${uid}`, "--clear-groups", "--pdeathsig=KILL"];
  const [program = "", ...args] = [...before, ...as, process.execPath, "-e", script, path];
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(async () => {
    child.kill("SIGKILL");
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  });
  await once(child.stdout, "data");
  return child;
}

describe("without a configuration", () => {
  test("tells of the machine alone, says what it did not look at, and finds no error in that", async () => {
    const { of, status } = await doctor(undefined, [], "--operator-socket=/nowhere/operator.sock");
    expect(of("configuration")).toEqual([
      "skipped: there is no /etc/stint/stint.yaml: users, files, data, disk and sockets are not looked at",
    ]);
    expect(of("node")).toEqual([`ok: Node.js ${process.versions.node}`]);
    expect(of("kernel")[0]).toMatch(/^ok: Linux .* names each caller for good/);
    expect(of("broker")).toEqual(["skipped: no broker answers at /nowhere/operator.sock: there is no such socket"]);
    expect(status).toBe(0);
  });

  test("one that was named and is not there is an error, and the exit status says so", async () => {
    const { of, status } = await doctor("/nowhere/stint.yaml");
    expect(of("configuration")[0]).toBe("error: can't be read (ENOENT)");
    expect(status).toBe(1);
  });
});

test("every mistake of a configuration is told with its place, and a group that is not there hides none", async () => {
  const { config } = machine(() => ({ operator: { group: "no-such-group" }, wit_svid: "maybe", color: "red" }));
  const { of, mendOf, status } = await doctor(config);
  expect(of("configuration")).toEqual([
    expect.stringMatching(/^error: wit_svid: expected true or false/),
    expect.stringMatching(/^error: color: no such key/),
    expect.stringMatching(/^skipped: /),
  ]);
  expect(mendOf(/^wit_svid/)).toMatch(new RegExp(`^edit ${config}:\\d+:\\d+$`));
  expect(status).toBe(1);
});

test("users and groups that are not there are told of beside what else the configuration says", async () => {
  const entries = [{ kind: "agent", name: "buyer", selectors: ["unix:user:no-such-user"] }];
  const { config } = machine((home) => ({
    operator: { socket: join(home, "run/operator.sock"), group: "no-such-group" },
    entries,
  }));
  const { of } = await doctor(config);
  expect(of("users")).toEqual(
    expect.arrayContaining([
      "error: there is no group no-such-group, which operator.group names",
      "error: there is no user no-such-user, whom agent/buyer names",
    ]),
  );
  expect(of("configuration").filter((one) => one.startsWith("error"))).toEqual([]);
});

describe.runIf(isRoot)("a data directory", () => {
  test("that is open, with a key that is open and a file of another user: each is mended by what is said to mend it", async () => {
    const place = machine();
    withData(place, 0o755);
    const key = join(place.data, "keys/a.pem");
    writeFileSync(key, "", { mode: 0o644 });
    chownSync(key, DAEMON_UID, DAEMON_UID);
    writeFileSync(join(place.data, "cursor.key"), "", { mode: 0o600 });

    const before = await doctor(place.config);
    expect(before.of("data")).toEqual([
      `error: ${place.data} has mode 0755, expected 0700`,
      `error: ${place.data}/cursor.key belongs to another user than ${place.data}`,
      `error: ${key}: open to others than the broker, expected mode 0600`,
    ]);
    for (const { subject, mend = "" } of before.found) {
      if (subject === "data") execFileSync("sh", ["-c", mend.replace(/, while .*/, "")]);
    }
    const after = await doctor(place.config);
    expect(after.of("data")).toEqual([`ok: ${place.data} and what is in it is the daemon's user's alone`]);
    expect(after.status).toBe(0);
  });

  test("that is not there is made by what is said to make it", async () => {
    const place = machine((home) => ({ data_directory: join(home, "closed/data") }));
    mkdirSync(join(place.home, "closed"), { mode: 0o700 });
    // As whoever would run the broker, since nobody else is known to.
    const asDaemon = ["setpriv", `--reuid=${DAEMON_UID}`, `--regid=${DAEMON_UID}`, "--clear-groups"];
    const { of } = await doctor(place.config, asDaemon);
    expect(of("data")).toEqual([`error: ${DAEMON_UID} can't go through ${join(place.home, "closed")} (mode 0700)`]);
    const { data } = place;
    const { mendOf } = await doctor(machineAt(place.home, data), asDaemon);
    expect(mendOf(/is not there/)).toBe(`install -d -o ${DAEMON_UID} -g ${DAEMON_UID} -m 0700 ${data}`);
    execFileSync("sh", ["-c", mendOf(/is not there/)]);
    expect((await doctor(machineAt(place.home, data), asDaemon)).of("data")[0]).toMatch(/^ok/);
  });

  test("on a disk that is nearly full, and in memory", async () => {
    const place = machine();
    withData(place);
    const small = `mount -t tmpfs -o size=70m,mode=0700,uid=${DAEMON_UID} none "$0" && exec "$@"`;
    const { of, status } = await doctor(place.config, ["unshare", "--mount", "sh", "-c", small, place.data]);
    expect(of("disk")).toEqual([
      `error: 70 MiB free at ${place.data}, where at least 80 MiB are needed`,
      `warning: ${place.data} is in memory (tmpfs)`,
    ]);
    expect(status).toBe(1);
  });

  test("on a file system that is read-only", async () => {
    const place = machine();
    withData(place);
    const readOnly = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"';
    const { of } = await doctor(place.config, ["unshare", "--mount", "sh", "-c", readOnly, place.data]);
    expect(of("disk")).toContain(`error: ${place.data} is on a file system that is read-only`);
  });

  test("whose checkpoint is of the future: the clock went back", async () => {
    const place = machine();
    withData(place);
    writeFileSync(join(place.data, "checkpoint"), "", { mode: 0o600 });
    execFileSync("touch", ["--date=+3 hours", join(place.data, "checkpoint")]);
    const { of } = await doctor(place.config);
    expect(of("clock")[0]).toMatch(/^error: the clock is 10\d\d\d s behind what the broker wrote last$/);
  });
});

describe.runIf(isRoot)("a socket", () => {
  test("that a killed program left is told, and by whom it can be taken away", async () => {
    const place = machine();
    withData(place);
    chownSync(place.run, DAEMON_UID, DAEMON_UID);
    const child = await listener(place.workload, DAEMON_UID);
    child.kill("SIGKILL");
    await once(child, "exit");
    expect((await doctor(place.config)).of("sockets")).toEqual([
      `warning: nobody listens at ${place.workload}, which a broker left that was killed`,
      `warning: nobody serves at ${place.operator}`,
    ]);
    chownSync(place.workload, OTHER_UID, OTHER_UID);
    expect((await doctor(place.config)).of("sockets")[0]).toBe(
      `error: nobody listens at ${place.workload}, which a broker left that was killed`,
    );
  });

  test("at which a program of another user listens is told with its pid; one that does not answer is an error", async () => {
    const place = machine();
    withData(place);
    chownSync(place.run, OTHER_UID, OTHER_UID);
    const { pid } = await listener(place.operator, OTHER_UID);
    chownSync(place.run, DAEMON_UID, DAEMON_UID);
    const { of, status } = await doctor(place.config, [], "--timeout=1s");
    expect(of("sockets")).toContain(
      `error: uid ${OTHER_UID} listens at ${place.operator} (pid ${pid}), and not the daemon's user ${DAEMON_UID}`,
    );
    expect(of("broker")).toEqual([
      expect.stringMatching(`^error: whoever listens at ${place.operator} does not answer: `),
    ]);
    expect(status).toBe(1);
  });

  test("of which the directory is not there, or anybody may write to it", async () => {
    const place = machine();
    withData(place);
    execFileSync("chmod", ["0777", place.run]);
    expect((await doctor(place.config)).of("sockets")).toEqual([`error: ${place.run} is writable by everybody`]);
    execFileSync("rmdir", [place.run]);
    expect((await doctor(place.config)).of("sockets")).toEqual([
      `error: ${place.run}, where sockets are to stand, is not there`,
    ]);
  });
});

test.for(["koffi", "better-sqlite3"])(
  "a library that is not for this machine (%s) is told, and so is all that can be told without it",
  async (library) => {
    // What a package that was copied from another machine does.
    const hook = `import { registerHooks } from "node:module";
      registerHooks({ resolve(name, context, next) {
        if (name === ${JSON.stringify(library)} || name.startsWith(${JSON.stringify(`${library}/`)})) throw Object.assign(new Error("no such symbol"), { code: "ERR_DLOPEN_FAILED" });
        return next(name, context);
      } });`;
    const { config } = machine();
    const without = ["env", `NODE_OPTIONS=--import=data:text/javascript,${encodeURIComponent(hook)}`];
    const { of, status } = await doctor(config, without);
    expect(of("libraries")).toEqual([
      `error: the library ${library} does not load on ${process.platform} ${process.arch} (ERR_DLOPEN_FAILED)`,
    ]);
    expect(of("disk")[0]).toMatch(/MiB free/);
    expect(status).toBe(1);
  },
);

test("a port at which somebody else listens is told before a start finds it taken", async () => {
  const taken = createServer().listen({ host: "127.0.0.1", port: 0 });
  onTestFinished(() => void taken.close());
  await once(taken, "listening");
  const { port } = taken.address() as { readonly port: number };
  const { config } = machine(() => ({ operations: { listen: `127.0.0.1:${port}`, plain_on_loopback: true } }));
  expect((await doctor(config)).of("sockets")).toContain(
    `error: somebody listens at port ${port} of 127.0.0.1, which operations.listen is to have`,
  );
});

describe.runIf(isRoot)("namespaces and what hides processes", () => {
  test("a PID namespace of its own is told, and one without a /proc of its own is an error", async () => {
    const own = await doctor(undefined, ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    expect(own.of("namespaces")).toEqual([expect.stringMatching(/^warning: this is a PID namespace of its own/)]);
    const foreign = await doctor(undefined, ["unshare", "--pid", "--fork", "--kill-child"]);
    expect(foreign.of("kernel")).toEqual([
      "error: /proc shows another PID namespace than the broker's own: mount one in it",
    ]);
  });

  test("a broker in another PID namespace is told from either side", async () => {
    const OWN_PIDS = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
    const place = machine();
    withData(place);
    chownSync(place.run, DAEMON_UID, DAEMON_UID);
    await listener(place.workload, DAEMON_UID, OWN_PIDS);
    expect((await doctor(place.config)).of("namespaces")).toEqual([
      "error: the broker is in a PID namespace below this one",
    ]);
    const inside = machine();
    withData(inside);
    chownSync(inside.run, DAEMON_UID, DAEMON_UID);
    await listener(inside.workload, DAEMON_UID);
    expect((await doctor(inside.config, OWN_PIDS)).of("namespaces")).toEqual([
      "error: the broker is in another PID namespace than this command",
    ]);
  });

  test("hidepid is told where the broker's user is in no group that may look", async () => {
    const place = machine();
    withData(place);
    const hide = (options: string) => [
      "unshare",
      "--mount",
      "sh",
      "-c",
      `mount -t proc -o ${options} proc /proc && exec "$0" "$@"`,
    ];
    expect((await doctor(place.config, hide("hidepid=2"))).of("kernel")).toContain(
      "warning: /proc is mounted with hidepid=invisible",
    );
  });

  test("a limit of open files that callers could use up", async () => {
    const place = machine();
    withData(place);
    const { of } = await doctor(place.config, ["prlimit", "--nofile=600:600"]);
    expect(of("limits")).toEqual(["warning: a process started as this command was may have 600 files open"]);
  });
});

test.runIf(isRoot)("a certificate that root may read and the broker's user may not", async () => {
  const { certificate, privateKey } = madeCertificate();
  const place = machine(() => ({ http: { listen: "127.0.0.1:0", tls: { certificate, private_key: privateKey } } }));
  withData(place);
  execFileSync("chmod", ["0600", privateKey]);
  expect((await doctor(place.config)).of("files")).toContainEqual(
    expect.stringMatching(`^error: http.tls.private_key: ${DAEMON_UID} can't (read|go through) `),
  );
});

test.runIf(isRoot)("nothing on the machine is changed", async () => {
  const place = machine();
  withData(place);
  writeFileSync(join(place.data, "keys/a.pem"), "", { mode: 0o644 });
  const look = () =>
    readdirSync(place.home, { recursive: true, encoding: "utf8" })
      .toSorted()
      .map((path) => {
        const { mode, uid, mtimeMs, ctimeMs } = statSync(join(place.home, path));
        return { path, mode, uid, mtimeMs, ctimeMs };
      });
  const before = look();
  await doctor(place.config);
  expect(look()).toEqual(before);
});

/** A second configuration in a place, with another data directory. */
function machineAt(home: string, data: string): string {
  const config = join(home, "other.yaml");
  writeFileSync(
    config,
    `trust_domain: shop.example\nissuer: https://stint.shop.example\ndata_directory: ${data}\nworkload: { socket: ${home}/run/w.sock }\noperator: { socket: ${home}/run/o.sock }\n`,
  );
  return config;
}
