import { request } from "node:http";
import { text } from "node:stream/consumers";
import { Console } from "../../src/gen/stint/v1/console_pb.js";
import { openChannel } from "../../src/wire/channel.ts";
import { createClient } from "../../src/wire/client.ts";
import { type Daemon, type DaemonOptions, startDaemon } from "../daemon.ts";
import { OWN_ENTRIES } from "../e2e/one-user.ts";

const own = [`unix:uid:${process.getuid?.()}`];
/** Whoever runs the tests, in every part: runtime, agent, verifiers and operator. */
export const ENTRIES = [...OWN_ENTRIES, { kind: "operator", name: "night-shift", selectors: own, role: "admin" }];

/** An answer of the daemon over HTTP. */
export type HttpAnswer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: string;
};

export type ConsoleScene = AsyncDisposable & {
  daemon(): Daemon;
  /** Where the console is, without a trailing slash. */
  readonly url: string;
  /** A link of `stint console open`. */
  link(): Promise<string>;
  /** A request as a browser's page of the console makes it, unless headers say otherwise. */
  ask(
    path: string,
    more?: {
      readonly method?: string;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string | Uint8Array;
    },
  ): Promise<HttpAnswer>;
  /** Signs in by a link. @returns the Cookie header */
  signedIn(): Promise<string>;
  /** Kills the daemon and starts it anew on its data, at the same address. */
  restarted(): Promise<void>;
};

/** A daemon with the console, on plain HTTP of this machine. */
export async function startConsole(options: DaemonOptions & { readonly console?: object } = {}): Promise<ConsoleScene> {
  const config = (directory: string) => ({
    operations: { listen: "127.0.0.1:0", plain_on_loopback: true },
    console: options.console ?? {},
    ...(typeof options.config === "function" ? options.config(directory) : options.config),
  });
  let daemon = await startDaemon({ entries: ENTRIES, ...options, config });
  const url = urlOf(daemon);

  const ask: ConsoleScene["ask"] = async (path, { method = "GET", headers = {}, body } = {}) => {
    const sent = body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) };
    const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>();
    const asked = request(`${url}${path}`, { method, agent: false, headers: { origin: url, ...sent, ...headers } });
    asked.on("error", reject).on("response", (answer) => {
      const { statusCode: status = 0, headers: answered } = answer;
      text(answer).then((read) => resolve({ status, headers: answered, body: read }), reject);
    });
    asked.end(body);
    return promise;
  };
  async function link(): Promise<string> {
    const channel = openChannel(daemon.operatorSocket);
    try {
      return (await createClient(Console, channel).open({})).url;
    } finally {
      channel.close();
    }
  }
  return {
    daemon: () => daemon,
    url,
    link,
    ask,
    async signedIn() {
      const answer = await signInBy(ask, new URL(await link()).hash.slice(1));
      return String(answer.headers["set-cookie"]).split(";")[0] ?? "";
    },
    async restarted() {
      await daemon.kill();
      const { host } = new URL(url);
      daemon = await startDaemon({
        entries: ENTRIES,
        ...options,
        directory: daemon.directory,
        config: (directory) => ({ ...config(directory), operations: { listen: host, plain_on_loopback: true } }),
      });
    },
    [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose](),
  };
}

/** Redeems the code of a link. */
export function signInBy(ask: ConsoleScene["ask"], code: unknown): Promise<HttpAnswer> {
  const headers = { "content-type": "application/json" };
  return ask("/console/session", { method: "POST", headers, body: JSON.stringify({ code }) });
}

function urlOf({ log }: Daemon): string {
  return String(log.find(({ msg }) => msg === "serving")?.["operations"]);
}
