import { spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { type BoundSocket, bindSocket } from "../../../src/api/endpoint/socket-path.ts";

const isRoot = process.getuid?.() === 0;
const NEEDS_ROOT = "needs root, to make files of other users";
const STRANGER = 61_001;

let directory: string;
let path: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "stint-"));
  path = join(directory, "broker.sock");
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

async function bind(at = path, mode = 0o600): Promise<{ readonly server: Server; readonly bound: BoundSocket }> {
  const server = createServer((socket) => socket.on("error", () => undefined).end("from the broker"));
  onTestFinished(() => void server.close());
  return { server, bound: await bindSocket(server, { path: at, mode }) };
}

async function heardAt(at: string): Promise<string> {
  const socket = connect(at);
  let heard = "";
  for await (const chunk of socket.setEncoding("utf8")) heard += chunk;
  return heard;
}

/** Leaves a socket behind on which nobody listens. */
function leaveSocket(at: string): void {
  const script = "require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))";
  spawnSync(process.execPath, ["-e", script, at]);
  if (!lstatSync(at).isSocket()) throw new Error("no socket was left");
}

async function refusal(attempt: Promise<unknown>): Promise<unknown> {
  return attempt.then(
    () => "bound",
    (error: unknown) => error,
  );
}

test("listens at the path, with the mode asked for, and leaves nothing else in the directory", async () => {
  await bind(path, 0o640);

  expect(await heardAt(path)).toBe("from the broker");
  expect(statSync(path).mode & 0o777).toBe(0o640);
  expect(readdirSync(directory)).toEqual(["broker.sock"]);
});

test("gives the socket to the group asked for", async (context) => {
  context.skip(!isRoot, NEEDS_ROOT);
  const server = createServer();
  onTestFinished(() => void server.close());

  await bindSocket(server, { path, mode: 0o660, gid: 62_001 });

  expect(statSync(path)).toMatchObject({ uid: 0, gid: 62_001 });
});

describe("refuses, and leaves as it is,", () => {
  async function expectRefused(reason: string): Promise<void> {
    expect(await refusal(bind())).toMatchObject({ code: "NOT_SERVING", message: `socket ${path}: ${reason}` });
    expect(readdirSync(directory).filter((name) => name.startsWith("."))).toEqual([]);
  }

  test("a symbolic link, wherever it leads", async () => {
    const target = join(directory, "target");
    symlinkSync(target, path);
    await expectRefused("a symbolic link stands there");

    writeFileSync(target, "precious");
    await expectRefused("a symbolic link stands there");

    rmSync(target);
    leaveSocket(target);
    await expectRefused("a symbolic link stands there");
    expect(readlinkSync(path)).toBe(target);
    expect(lstatSync(target).isSocket()).toBe(true);
  });

  test("a file", async () => {
    writeFileSync(path, "precious");

    await expectRefused("something stands there that is not a socket");
    expect(lstatSync(path).isFile()).toBe(true);
  });

  test("a directory", async () => {
    mkdirSync(path);

    await expectRefused("something stands there that is not a socket");
  });

  test("a socket that somebody listens on", async () => {
    const other = createServer((socket) => socket.on("error", () => undefined).end("from another")).listen(path);
    onTestFinished(() => void other.close());
    await once(other, "listening");

    await expectRefused("somebody listens there already");
    expect(await heardAt(path)).toBe("from another");
  });

  test("another broker's socket", async () => {
    await bind();

    await expectRefused("somebody listens there already");
    expect(await heardAt(path)).toBe("from the broker");
  });

  test("a stale socket of another user", async (context) => {
    context.skip(!isRoot, NEEDS_ROOT);
    leaveSocket(path);
    chownSync(path, STRANGER, STRANGER);

    await expectRefused("a socket of another user stands there");
    expect(lstatSync(path).uid).toBe(STRANGER);
  });
});

test("takes the place of a stale socket of its own user", async () => {
  leaveSocket(path);

  await bind();

  expect(await heardAt(path)).toBe("from the broker");
});

test("lets one of three have a stale socket's place, and no other", async () => {
  leaveSocket(path);

  const outcomes = await Promise.all([refusal(bind()), refusal(bind()), refusal(bind())]);

  expect(outcomes.filter((outcome) => outcome === "bound")).toHaveLength(1);
  expect(await heardAt(path)).toBe("from the broker");
  expect(readdirSync(directory)).toEqual(["broker.sock"]);
});

describe("refuses a directory", () => {
  test.for([
    { that: "everybody may write to", mode: 0o777, reason: "its directory is writable by everybody" },
    {
      that: "that everybody may write to, but not read",
      mode: 0o733,
      reason: "its directory is writable by everybody",
    },
  ])("$that", async ({ mode, reason }) => {
    chmodSync(directory, mode);

    expect(await refusal(bind())).toMatchObject({ code: "NOT_SERVING", message: `socket ${path}: ${reason}` });
  });

  test("of another user", async (context) => {
    context.skip(!isRoot, NEEDS_ROOT);
    chownSync(directory, STRANGER, STRANGER);

    expect(await refusal(bind())).toMatchObject({ message: `socket ${path}: its directory belongs to another user` });
  });

  test("that a link leads to, if it is one that it would refuse itself", async () => {
    const real = join(directory, "real");
    mkdirSync(real);
    chmodSync(real, 0o777);
    symlinkSync(real, join(directory, "link"));
    const linked = join(directory, "link", "broker.sock");

    expect(await refusal(bind(linked))).toMatchObject({
      message: `socket ${linked}: its directory is writable by everybody`,
    });
  });

  test("that is not there", async () => {
    const missing = join(directory, "missing", "broker.sock");

    expect(await refusal(bind(missing))).toMatchObject({ message: `socket ${missing}: its directory does not exist` });
  });
});

test("accepts a directory that everybody may write to when it is sticky, as /tmp is", async () => {
  chmodSync(directory, 0o1777);

  await bind();

  expect(await heardAt(path)).toBe("from the broker");
});

test.for([
  { form: "relative", of: () => "broker.sock" },
  { form: "with a parent's step", of: () => `${directory}/x/../broker.sock` },
  { form: "with an own step", of: () => `${directory}/./broker.sock` },
  { form: "with an empty part", of: () => `${directory}//broker.sock` },
  { form: "of a directory", of: () => `${directory}/` },
  { form: "too long for a socket", of: () => join(directory, "x".repeat(108)) },
])("refuses a path $form", async ({ of }) => {
  expect(await refusal(bind(of()))).toMatchObject({ code: "NOT_SERVING" });
  expect(readdirSync(directory)).toEqual([]);
});

test("accepts a path of the greatest length", async () => {
  const longest = join(directory, "x".repeat(107 - directory.length - 1));

  await bind(longest);

  expect(await heardAt(longest)).toBe("from the broker");
});

describe("releasing", () => {
  test("removes the path, and does so once", async () => {
    const { bound } = await bind();
    bound.release();
    expect(existsSync(path)).toBe(false);

    writeFileSync(path, "of another");
    bound.release();

    expect(existsSync(path)).toBe(true);
  });

  test("leaves alone what took its place, and so does closing the server", async () => {
    const { server, bound } = await bind();
    renameSync(path, join(directory, "moved"));
    const { server: successor } = await bind();

    bound.release();
    server.close();
    await once(server, "close");

    expect(await heardAt(path)).toBe("from the broker");
    successor.close();
  });

  test("takes no offence at a path that is gone", async () => {
    const { bound } = await bind();
    unlinkSync(path);

    expect(() => bound.release()).not.toThrow();
  });
});
