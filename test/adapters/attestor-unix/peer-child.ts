// A workload of the tests: takes on the ids it is told, connects, and then does what its standard input says.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import process from "node:process";
import { createInterface } from "node:readline";
import { Worker } from "node:worker_threads";
import { type KoffiFunc, load } from "koffi";

type Ids = { readonly uid?: number; readonly gid?: number; readonly groups?: readonly number[] };

const F_SETFD = 2;
/** exit(2), which ends one thread and not the process. */
const SYS_EXIT = process.arch === "x64" ? 60 : 93;

/** The kernel ends all other threads, and gives the one that executes the pid of the main thread. */
const EXEC_IN_THREAD = `
  const { from, program } = require("node:worker_threads").workerData;
  const { load } = require("node:module").createRequire(from)("koffi");
  load(null).func("execv", "int", ["str", "const char **"])(program, [program, "60", null]);`;

const [path = "", ids = "{}"] = process.argv.slice(2);
takeOn(JSON.parse(ids) as Ids);

const socket = connect(path, () => {
  const startTime = readFileSync("/proc/self/stat", "latin1").split(") ").at(-1)?.split(" ")[19];
  say(`connected ${process.pid} ${startTime}`);
});
socket.on("error", (error) => say(`error ${error.message}`));

createInterface({ input: process.stdin }).on("line", (line) => {
  const [command, argument = ""] = line.split(" ");
  const libc = load(null);
  if (command === "ids") {
    takeOn(JSON.parse(argument) as Ids);
    say("done");
  } else if (command === "exec" || command === "exec-in-thread") {
    // The connection survives the exec, as a process may arrange that wants to lend its identity.
    const fcntl = libc.func("fcntl", "int", ["int", "int", "int"]) as KoffiFunc<
      (fd: number, command: number, flags: number) => number
    >;
    fcntl(descriptor(), F_SETFD, 0);
    if (command === "exec") process.execve?.(argument, [argument, "60"], {});
    else new Worker(EXEC_IN_THREAD, { eval: true, workerData: { from: import.meta.url, program: argument } });
  } else if (command === "hand-on") {
    const heir = spawn("sleep", ["60"], { stdio: ["ignore", "ignore", "ignore", descriptor()], detached: true });
    say(`handed-on ${heir.pid}`);
  } else if (command === "end-main-thread") {
    const syscall = libc.func("syscall", "long", ["long", "long"]) as KoffiFunc<(call: number, code: number) => number>;
    syscall(SYS_EXIT, 0);
  }
});

function takeOn({ uid, gid, groups }: Ids): void {
  if (groups !== undefined) process.setgroups?.([...groups]);
  if (gid !== undefined) process.setgid?.(gid);
  if (uid !== undefined) process.setuid?.(uid);
}

function descriptor(): number {
  const handle = Reflect.get(socket, "_handle") as { readonly fd: number };
  return handle.fd;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
