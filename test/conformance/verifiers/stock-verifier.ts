import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createInterface } from "node:readline";

/**
 * How a library is used: as its page says; told issuer, keys, algorithm and audience and nothing else; told no audience either; not
 * told who the caller is, where it asks. Programs read it as `MODE`.
 */
export type Mode = "guide" | "defaults" | "no audience" | "no user";

export type Judgment = "taken" | "refused";

/** A server, or what stands for one, whose tokens a library verifies. */
export type StockVerifier = {
  readonly audience: string;
  judge(token: string): Promise<Judgment>;
  [Symbol.asyncDispose](): Promise<void>;
};

/** Starts one that believes the issuer at this URL. */
export type StartVerifier = (mode: Mode, issuer: string) => Promise<StockVerifier>;

type Program = {
  readonly write: (line: string) => void;
  readonly nextLine: () => Promise<string>;
  readonly end: () => Promise<void>;
};

/** A program that is told `ISSUER`, `RESOURCE` and `MODE`, says `ready`, and leaves when its standard input is closed. */
async function started(command: readonly string[], variables: NodeJS.ProcessEnv): Promise<Program> {
  const [program = "", ...args] = command;
  const child = spawn(program, args, { env: { ...process.env, ...variables } });
  const exited = once(child, "exit");
  let complaints = "";
  child.stderr.on("data", (chunk: Buffer) => {
    complaints += chunk.toString();
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  async function nextLine(): Promise<string> {
    const { value, done } = await lines.next();
    if (done === true) throw new Error(`${program} ended: ${complaints}`);
    return value;
  }
  const greeting = await nextLine();
  if (greeting !== "ready") throw new Error(`${program} said: ${greeting}`);
  return {
    write: (line) => child.stdin.write(`${line}\n`),
    nextLine,
    async end() {
      child.stdin.end();
      await exited;
    },
  };
}

/** One that reads tokens, one a line, and answers each with `taken …` or `refused …`. */
export function lineProgram(command: () => Promise<readonly string[]>): StartVerifier {
  return async (mode, issuer) => {
    const audience = "https://mcp.example.org/mcp";
    const program = await started(await command(), { ISSUER: issuer, RESOURCE: audience, MODE: mode });
    return {
      audience,
      async judge(token) {
        program.write(token);
        const line = await program.nextLine();
        const [judgment] = line.split(" ");
        if (judgment !== "taken" && judgment !== "refused") throw new Error(line);
        return judgment;
      },
      [Symbol.asyncDispose]: program.end,
    };
  };
}

/** A port that nobody had a moment ago: a server's URL is its audience, which it has to be told. */
async function freeOrigin(): Promise<string> {
  const reserved = createServer().listen(0, "127.0.0.1");
  await once(reserved, "listening");
  const { port } = reserved.address() as AddressInfo;
  await new Promise((closed) => reserved.close(closed));
  return `http://127.0.0.1:${port}`;
}

const INITIALIZE = JSON.stringify({
  jsonrpc: "2.0",
  id: 1,
  method: "initialize",
  params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "agent", version: "1" } },
});

/** One that serves HTTP at `RESOURCE`, and answers whom it does not believe with 401. */
export function serverProgram(command: () => Promise<readonly string[]>): StartVerifier {
  return async (mode, issuer) => {
    const audience = `${await freeOrigin()}/mcp`;
    const program = await started(await command(), { ISSUER: issuer, RESOURCE: audience, MODE: mode });
    return {
      audience,
      async judge(token) {
        const headers = {
          authorization: `Bearer ${token}`,
          "content-type": "application/json",
          accept: "application/json, text/event-stream",
        };
        const { status, body } = await fetch(audience, { method: "POST", headers, body: INITIALIZE });
        await body?.cancel();
        if (status === 200) return "taken";
        if (status === 401) return "refused";
        throw new Error(`answered with ${status}`);
      },
      [Symbol.asyncDispose]: program.end,
    };
  };
}
