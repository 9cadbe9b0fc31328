import { spawn } from "node:child_process";
import { once } from "node:events";
import { basename } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { AnswerLine, Commands, EventFacts, RefusalLine } from "./json-lines.ts";

/** A process that does what it is told. */
export type Actor<Its extends Commands> = {
  readonly pid: number;
  /** @throws Refused when the process says no */
  ask<Name extends keyof Its & string>(
    command: Name,
    ...input: Parameters<Its[Name]>
  ): Promise<Awaited<ReturnType<Its[Name]>>>;
  /** The next event of this name that was not taken yet. */
  next(event: string): Promise<EventFacts>;
  /** SIGKILL, and waits until it is gone. */
  kill(): Promise<void>;
};

/** What a process answered instead of what it was asked. */
export class Refused extends Error {
  override readonly name = "Refused";
  readonly reason: string;
  readonly metadata: Readonly<Record<string, string>>;

  constructor({ reason, message, metadata }: RefusalLine) {
    super(message);
    this.reason = reason;
    this.metadata = metadata;
  }
}

/** Nothing that is asked for takes a tenth of this; whoever waits longer would wait for ever. */
const PATIENCE_MS = 15_000;

/** What runs a script, and as whom. */
export type RunAs = {
  /** Absent: this process's own. */
  readonly user?: number | undefined;
  /** A copy of Node.js. Absent: the one that runs this. */
  readonly program?: string | undefined;
};

/** @param environment - all of it. */
export async function startActor<Its extends Commands>(
  script: URL,
  { user, program = process.execPath }: RunAs,
  environment: NodeJS.ProcessEnv,
): Promise<Actor<Its>> {
  const name = basename(script.pathname);
  const child = spawn(program, [fileURLToPath(script)], {
    stdio: ["pipe", "pipe", "inherit"],
    env: environment,
    ...(user === undefined ? {} : { uid: user, gid: user }),
  });
  const { pid = 0 } = child;
  child.stdin.on("error", () => undefined);
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  const events: { readonly event: string; readonly facts: EventFacts }[] = [];
  const listeners = new Set<() => void>();
  const gone = once(child, "exit").then(
    () => undefined,
    () => undefined,
  );
  void gone.then(() => {
    for (const { reject } of waiting.values()) reject(new Error(`process ${pid} (${name}) is gone`));
  });

  createInterface({ input: child.stdout }).on("line", (text) => {
    const line = JSON.parse(text) as AnswerLine;
    if ("event" in line) {
      events.push(line);
      for (const listener of [...listeners]) listener();
    } else if ("error" in line) {
      waiting.get(line.id)?.reject(new Refused(line.error));
    } else {
      waiting.get(line.id)?.resolve(line.answer);
    }
  });

  let asked = 0;
  const actor: Actor<Its> = {
    pid,
    async ask(command, ...[input]) {
      const id = ++asked;
      const answer = Promise.withResolvers<unknown>();
      waiting.set(id, answer);
      child.stdin.write(`${JSON.stringify({ id, command, input })}\n`);
      try {
        return (await inTime(answer.promise, `${name} to ${command}`)) as never;
      } finally {
        waiting.delete(id);
      }
    },
    async next(event) {
      const found = Promise.withResolvers<EventFacts>();
      const look = () => {
        const index = events.findIndex((one) => one.event === event);
        const [taken] = index < 0 ? [] : events.splice(index, 1);
        if (taken !== undefined) found.resolve(taken.facts);
      };
      listeners.add(look);
      look();
      try {
        return await inTime(found.promise, `${name} to tell of ${event}`);
      } finally {
        listeners.delete(look);
      }
    },
    async kill() {
      child.kill("SIGKILL");
      await gone;
    },
  };
  await actor.next("ready");
  return actor;
}

async function inTime<Value>(promise: Promise<Value>, what: string): Promise<Value> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`waited ${PATIENCE_MS / 1_000} s for ${what}`)), PATIENCE_MS);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
