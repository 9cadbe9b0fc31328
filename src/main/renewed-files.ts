import { stat } from "node:fs/promises";
import { isDeepStrictEqual } from "node:util";
import { createListeners } from "../follow/listeners.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import { checkInForce, isoOf, type Life } from "./certificate-life.ts";
import { sentenceOf } from "./for-operator.ts";

/** A certificate is renewed days ahead; whoever renews two files one after another is done within one look. */
const LOOK_EVERY_MS = 1_000;
/** What could not be used may be usable later without being written again: a certificate that is not valid yet. */
const RETRY_EVERY_MS = 60_000;

/** Files that a setting names, and what they are read for. */
export type Files<Value> = {
  readonly setting: string;
  readonly paths: readonly string[];
  /** Reads and checks the files. Throws an error that says for the operator what is wrong. */
  read(): Promise<Value>;
  /** When the value's certificate is valid; absent where the value has none. */
  lifeOf?(value: Value): Life;
  /** What counts when the start can't use the files; absent: the broker does not start without them. */
  readonly otherwise?: Value;
};

/** What was last read of files and could be used. */
export type Renewed<Value> = {
  current(): Value;
  onChange(changed: () => void): Cancel;
};

export type FileCertificate = Life & { readonly setting: string };

export type RenewedFiles = {
  /**
   * Reads files, and again once they were changed and have stood still for one look. What is looked at is where a path
   * leads, so links may be exchanged (certbot, Kubernetes). Files that can't be used are told to the log, and what was
   * read before stays.
   *
   * @throws what `read` throws the first time
   */
  follow<Value>(files: Files<Value>): Promise<Renewed<Value>>;
  /** Takes what changed at once. @returns the settings whose files were taken. */
  renew(): Promise<readonly string[]>;
  /** The certificates in use. */
  certificates(): readonly FileCertificate[];
  stop(): void;
};

type Followed = {
  /** @returns whether changed files were taken. */
  look(isAtOnce: boolean): Promise<boolean>;
  readonly setting: string;
  certificate(): FileCertificate | undefined;
};

export function keepFilesRenewed(ports: {
  readonly clock: Pick<Clock, "now" | "monotonicMs" | "schedule">;
  readonly log: Log;
}): RenewedFiles {
  const { clock } = ports;
  const all: Followed[] = [];
  let isStopped = false;
  let cancel = clock.schedule(LOOK_EVERY_MS, look);

  function look(): void {
    void Promise.all(all.map((one) => one.look(false))).finally(() => {
      if (!isStopped) cancel = clock.schedule(LOOK_EVERY_MS, look);
    });
  }

  return {
    async follow(files) {
      const { followed, renewed } = await followFiles(files, ports);
      all.push(followed);
      return renewed;
    },
    async renew() {
      const looked = all.map(async (one) => ((await one.look(true)) ? [one.setting] : []));
      return (await Promise.all(looked)).flat();
    },
    certificates: () => all.flatMap((one) => one.certificate() ?? []),
    stop() {
      isStopped = true;
      cancel();
    },
  };
}

async function followFiles<Value>(
  files: Files<Value>,
  { clock, log }: Parameters<typeof keepFilesRenewed>[0],
): Promise<{ readonly followed: Followed; readonly renewed: Renewed<Value> }> {
  const { setting, paths, lifeOf } = files;
  const { onChange, tell } = createListeners((thrown) => log.fault(`${setting}: a change was not taken up`, thrown));
  let seen = await stateOf(paths);
  let inUse: string | undefined = seen;
  let refused: { readonly state: string; readonly why: string; readonly retryAtMs: number } | undefined;
  let value: Value;
  let turn: Promise<unknown> = Promise.resolve();
  try {
    value = await files.read();
  } catch (thrown) {
    if (files.otherwise === undefined) throw thrown;
    value = files.otherwise;
    inUse = undefined;
    refuse(thrown, "nothing of it counts");
  }

  function refuse(thrown: unknown, consequence: string): void {
    const why = sentenceOf(thrown);
    if (!isDeepStrictEqual([refused?.state, refused?.why], [seen, why])) {
      log.fault(`${setting}: the files can't be used, ${consequence}: ${why}`, thrown);
    }
    refused = { state: seen, why, retryAtMs: clock.monotonicMs() + RETRY_EVERY_MS };
  }

  async function renew(isAtOnce: boolean): Promise<boolean> {
    const before = seen;
    seen = await stateOf(paths);
    if (seen === inUse) return false;
    const isRefused = refused?.state === seen && clock.monotonicMs() < refused.retryAtMs;
    if (!isAtOnce && (seen !== before || isRefused)) return false;
    try {
      const next = await files.read();
      const life = lifeOf?.(next);
      if (life !== undefined) checkInForce(life, clock.now());
      value = next;
      inUse = seen;
      refused = undefined;
      log.info("files renewed", { setting, ...(life === undefined ? {} : { expiresAt: isoOf(life.expiresAt) }) });
      tell();
      return true;
    } catch (thrown) {
      refuse(thrown, "what was read before stays");
      return false;
    }
  }

  return {
    renewed: { current: () => value, onChange },
    followed: {
      setting,
      // One after another: a look that a hangup asks for may meet one that is under way.
      look(isAtOnce) {
        const looked = turn.then(() => renew(isAtOnce));
        turn = looked;
        return looked;
      },
      certificate() {
        const life = lifeOf?.(value);
        return life === undefined ? undefined : { setting, notBefore: life.notBefore, expiresAt: life.expiresAt };
      },
    },
  };
}

/** Differs whenever other files are there, or the files were written. */
async function stateOf(paths: readonly string[]): Promise<string> {
  const states = paths.map(async (path) => {
    try {
      const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
      return [dev, ino, size, mtimeNs, ctimeNs].join(":");
    } catch {
      return "unreadable";
    }
  });
  return (await Promise.all(states)).join(" ");
}
