import { spawn } from "node:child_process";
import { once } from "node:events";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { freePort } from "../../free-port.ts";
import { pythonWithPackages } from "../python/python-environment.ts";

const ROOT_TOKEN = "root-token-of-a-test";
/** Another process may take a free port before the server does. */
const PORT_ATTEMPTS_MAX = 5;

export type OpenBao = {
  readonly address: string;
  readonly rootToken: string;
  /** One request as root. */
  ask(method: string, path: string, body?: object): Promise<unknown>;
  close(): Promise<void>;
};

/** Starts a server of OpenBao that keeps everything in memory, with a key-value engine of version 2 at `secret/`. */
export async function startOpenBao(): Promise<OpenBao> {
  const python = await pythonWithPackages(join(import.meta.dirname, "requirements.txt"));
  // Named to Python, since the script names the Python of the folder in which it was installed first.
  const program = join(dirname(python), "bao");
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort();
    const flags = [`-dev-root-token-id=${ROOT_TOKEN}`, `-dev-listen-address=127.0.0.1:${port}`, "-dev-no-store-token"];
    const child = spawn(python, [program, "server", "-dev", ...flags], { stdio: ["ignore", "pipe", "ignore"] });
    const exited = once(child, "exit");
    const isUp = await new Promise<boolean>((resolve) => {
      createInterface({ input: child.stdout }).on("line", (line) => {
        if (line.includes("Root Token:")) resolve(true);
      });
      void exited.then(() => resolve(false));
    });
    if (!isUp && attempt < PORT_ATTEMPTS_MAX) continue;
    if (!isUp) throw new Error("the server of OpenBao did not start");
    const address = `http://127.0.0.1:${port}`;
    return {
      address,
      rootToken: ROOT_TOKEN,
      async ask(method, path, body) {
        const headers = { "x-vault-token": ROOT_TOKEN };
        const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
        const answer = await fetch(`${address}/v1/${path}`, init);
        if (!answer.ok) throw new Error(`${method} ${path} is answered ${answer.status}: ${await answer.text()}`);
        const text = await answer.text();
        return text === "" ? undefined : JSON.parse(text);
      },
      async close() {
        child.kill("SIGTERM");
        await exited;
      },
    };
  }
}
