import { spawn } from "node:child_process";
import { on, once } from "node:events";
import { expect, onTestFinished, test } from "vitest";
import { loadWriterAhead, type WriterAhead } from "../../../src/adapters/ledger-sqlite/writer-thread.ts";
import { inDirectory, inLedger } from "./ledger-directory.ts";

const THREAD = new URL("../../../src/adapters/ledger-sqlite/writer-thread.ts", import.meta.url).href;

function writerAhead(): WriterAhead {
  const ahead = loadWriterAhead();
  onTestFinished(() => ahead.end());
  return ahead;
}

/** Records in a new ledger, and gives how many events there are. */
async function recordedWith(ahead: WriterAhead): Promise<number> {
  let events = 0;
  await inDirectory((directory) =>
    inLedger(
      directory,
      async (world) => {
        await world.issue(await world.open(await world.agent()));
        events = world.ledger.head().sequence;
      },
      { ahead },
    ),
  );
  return events;
}

test("a thread that was started before records in one ledger, and the next has another thread", async () => {
  const ahead = writerAhead();
  const events = await recordedWith(ahead);
  expect(events).toBeGreaterThan(3);
  expect(ahead.take()).toBeUndefined();
  expect(await recordedWith(ahead)).toBe(events);
});

test("a thread that ended before anybody took it is replaced", async () => {
  const ahead = writerAhead();
  await ahead.end();
  expect(ahead.take()).toBeUndefined();
  expect(await recordedWith(ahead)).toBeGreaterThan(3);
});

test("a process that opens no ledger ends, whatever thread it has started for one", async () => {
  const program = `const { loadWriterAhead } = await import(${JSON.stringify(THREAD)}); loadWriterAhead();`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", program], { stdio: "ignore" });
  expect(await once(child, "exit")).toEqual([0, null]);
});

test("a thread that can't open its ledger ends", async () => {
  const ahead = loadWriterAhead();
  const worker = ahead.take();
  if (worker === undefined) throw new Error("there is none");
  const exited = once(worker, "exit");
  const messages = on(worker, "message", { close: ["exit"] });
  const data = { directory: "/nowhere", reserveBytes: 0, diskFreeBytesMin: 0, now: 0 };
  worker.postMessage({ kind: "open", data });
  const kinds: string[] = [];
  for await (const [message] of messages) kinds.push(message.kind);
  expect(kinds).toEqual(["loaded", "refused"]);
  await exited;
});
