import { mkdir, mkdtemp, rm, rmdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { BrokerError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import { parseTrustDomain } from "../../domain/spiffe-id.ts";
import { openBroker } from "../../main.ts";
import { isPackaged } from "../../package/files.ts";
import { usageFailure } from "../failure.ts";
import { devDataClasses, devEntries } from "./dev-entries.ts";

type Config = Parameters<typeof openBroker>[0];
type Log = Parameters<typeof openBroker>[1];

/** The trust domain that verifiers refuse unless they were told that they run in development. */
const TRUST_DOMAIN = "stint-dev.invalid";
const HOST = "127.0.0.1";
/** Another process may take a free port before the broker does; five times in a row is no chance. */
const PORT_ATTEMPTS_MAX = 5;
const MEBIBYTE = 1024 * 1024;
const DAY_SECONDS = 86_400;
const CONSOLE_SESSION_SECONDS = 3_600;
/** The console, three folders up as in the package. */
const CONSOLE = new URL("../../../dist/console/index.html", import.meta.url);

export type DevBroker = {
  readonly directory: string;
  readonly workloadSocket: string;
  readonly operatorSocket: string;
  readonly httpUrl: string;
  /** Stops the broker and removes all that it made. */
  close(): Promise<void>;
};

/**
 * Starts a broker for the calling user, with `workload.sock`, `operator.sock`, `bundle.json` and `http.url` in a
 * directory; the broker's data is in a directory beside these files.
 *
 * @param options.directory - made where it is missing; absent: a new one in the directory for temporary files.
 * @throws BrokerError INVALID_FIELD for agents, audiences or classes of data, NOT_SERVING when another broker is there
 */
export async function startDevBroker(options: {
  readonly directory: string | undefined;
  readonly agents: readonly string[];
  readonly audiences: readonly string[];
  readonly datatypes: readonly string[];
  readonly log: Log;
}): Promise<DevBroker> {
  const entries = devEntries(process.getuid?.() ?? 0, options);
  const place = await makePlace(options.directory);
  const { directory } = place;
  const published = [join(directory, "bundle.json"), join(directory, "http.url")] as const;
  try {
    const dataDirectory = await mkdtemp(join(directory, "data-"));
    place.made.push(dataDirectory);
    const of = { entries, datatypes: options.datatypes };
    const broker = await openAtFreePort((port) => configOf(directory, dataDirectory, port, of), options.log);
    place.made.push(...published);
    const httpUrl = broker.httpUrl ?? "";
    const close = async () => {
      await broker.close();
      await place.remove();
    };
    try {
      // The URL is written last: whoever finds the URL finds everything.
      await writeFile(published[0], `${JSON.stringify(broker.bundle(), null, 2)}\n`);
      await writeFile(published[1], `${httpUrl}\n`);
    } catch (thrown) {
      await close();
      throw thrown;
    }
    const { workloadSocket, operatorSocket } = broker;
    return { directory, workloadSocket, operatorSocket, httpUrl, close };
  } catch (thrown) {
    await place.remove();
    throw thrown;
  }
}

/**
 * @returns whether it is new.
 * @throws Failure
 */
async function makeDirectory(directory: string): Promise<boolean> {
  try {
    return (await mkdir(directory, { recursive: true, mode: 0o700 })) !== undefined;
  } catch (thrown) {
    throw usageFailure(`--dir: can't be made (${(thrown as NodeJS.ErrnoException).code ?? "unknown"})`);
  }
}

/** The directory, and what has to be removed. A directory that was there before stays, and so does all else in it. */
async function makePlace(given: string | undefined) {
  const directory = given === undefined ? await mkdtemp(join(tmpdir(), "stint-dev-")) : resolve(given);
  const isNew = given === undefined || (await makeDirectory(directory));
  const made: string[] = [];
  async function remove(): Promise<void> {
    for (const path of made) await rm(path, { recursive: true, force: true });
    // `rmdir` fails when somebody else keeps something in the directory by now.
    if (isNew) await rmdir(directory).catch(() => undefined);
  }
  return { directory, made, remove };
}

/** The issuer is a part of every token, so its port has to be known before the broker starts. */
async function openAtFreePort(configAt: (port: number) => Config, log: Log) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await openBroker(configAt(await freePort()), log);
    } catch (thrown) {
      const isTaken = thrown instanceof BrokerError && thrown.detail?.includes("EADDRINUSE") === true;
      if (!isTaken || attempt === PORT_ATTEMPTS_MAX) throw thrown;
    }
  }
}

function freePort(): Promise<number> {
  return new Promise((resolvePort, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen({ host: HOST, port: 0 }, () => {
      const address = probe.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      probe.close(() => resolvePort(port));
    });
  });
}

function configOf(
  directory: string,
  dataDirectory: string,
  port: number,
  { entries, datatypes }: { readonly entries: Config["entries"]; readonly datatypes: readonly string[] },
): Config {
  return {
    trustDomain: parseTrustDomain(TRUST_DOMAIN),
    issuer: `http://${HOST}:${port}`,
    dataDirectory,
    // The entries are for one user, so nobody else has anything to ask here.
    workload: { socket: join(directory, "workload.sock"), mode: 0o600, crlOnStreams: false },
    operator: { socket: join(directory, "operator.sock") },
    workers: 0,
    http: { host: HOST, port, hosts: [] },
    // A checkout in which it was not built has none.
    ...(isPackaged(CONSOLE) && {
      operations: { host: HOST, port: 0, hosts: [] },
      console: { sessionSeconds: CONSOLE_SESSION_SECONDS },
    }),
    limits: { connectionsPerUid: 4_096, watchers: 1_000, openStepsPerRuntime: 10_000 },
    ledger: {
      reserveBytes: MEBIBYTE,
      diskFreeBytesMin: 0,
      postgres: undefined,
      checkpointCopy: undefined,
      witnesses: [],
    },
    log: { level: "info" },
    statusLists: false,
    ssf: { transmit: false, receive: [] },
    keyManager: { kind: "disk" },
    federation: {},
    approvalSeconds: LIMITS.approvalSecondsDefault,
    principals: { issuers: [] },
    pinsToolsAtFirstSight: true,
    policies: { baseline: true, dataClasses: devDataClasses(datatypes) },
    authority: {
      x509AuthoritySeconds: DAY_SECONDS,
      jwtAuthoritySeconds: DAY_SECONDS,
      prepareShare: 0.5,
      propagationSeconds: 900,
    },
    witSvid: true,
    development: true,
    entries,
    leewaySeconds: new Map(),
    exchanges: [],
    warnings: [],
  };
}
