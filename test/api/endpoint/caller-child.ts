// A caller of the tests: takes on the ids it is told, then calls and connects as its standard input says.
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import process from "node:process";
import { createInterface } from "node:readline";
import { whoClient } from "./who-service.ts";

const [path = "", ids = "{}"] = process.argv.slice(2);
const { uid, groups } = JSON.parse(ids) as { readonly uid?: number; readonly groups?: readonly number[] };
if (groups !== undefined) process.setgroups?.([...groups]);
if (uid !== undefined) {
  process.setgid?.(uid);
  process.setuid?.(uid);
}

const client = whoClient(path);
const sockets: Socket[] = [];
say("ready", {});

for await (const line of createInterface({ input: process.stdin })) {
  const [command, argument] = line.split(" ");
  if (command === "call") {
    say("answer", await client.call("Am", argument === undefined ? {} : JSON.parse(argument)));
  } else if (command === "wait") {
    void client.call("Wait");
  } else if (command === "connect") {
    const opened = Array.from({ length: Number(argument) }, () => connect(path).on("error", () => undefined));
    sockets.push(...opened);
    await Promise.all(opened.map((socket) => Promise.race([once(socket, "connect"), once(socket, "close")])));
    say("connected", {});
  } else if (command === "disconnect") {
    for (const socket of sockets.splice(0)) socket.destroy();
    say("disconnected", {});
  }
}

function say(word: string, value: unknown): void {
  process.stdout.write(`${word} ${JSON.stringify(value)}\n`);
}
