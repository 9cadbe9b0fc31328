import { existsSync } from "node:fs";
import { join } from "node:path";
import { openDataDirectory } from "../adapters/data-directory/open-data-directory.ts";
import { DATABASE_FILE } from "../adapters/ledger-sqlite/connection.ts";
import { openStandbyLedger } from "../adapters/ledger-sqlite/standby-ledger.ts";
import { createStandbyMetrics } from "../adapters/metrics-prom/standby-metrics.ts";
import { systemClock } from "../adapters/system/system-clock.ts";
import { operationsRoutes } from "../api/http/operations-routes.ts";
import { startHttp } from "../api/http/start-http.ts";
import type { Config } from "../config/config.ts";
import type { StandbyConfig } from "../config/standby-section.ts";
import { BrokerError } from "../domain/errors.ts";
import { type Heard, keepStandby, type StandbyStatus } from "../follow/standby.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { AttestationOptions } from "../sdk/runtime/attestation-options.ts";
import { attestedRuntimeSvid } from "../sdk/runtime/attested-svid.ts";
import { keepConnection } from "../sdk/runtime/kept-connection.ts";
import type { Closers } from "./closers.ts";
import { httpListenerOf } from "./http-listener.ts";
import { type PrimaryConnection, primaryOver } from "./primary-ledger.ts";
import { keepFilesRenewed, type RenewedFiles } from "./renewed-files.ts";
import { serverCertificate } from "./server-certificate.ts";
import { readStandbyMark, writeStandbyMark } from "./standby-mark.ts";

export type Standby = {
  readonly of: string;
  readonly operationsUrl: string | undefined;
  /** Rejects with what nothing but a start mends. */
  readonly ended: Promise<never>;
};

/** What no copy of a ledger has, and a broker that is to go on with it needs. */
const BESIDE = [
  ["principals.salt", "once promoted, a broker whose ledger knows principals does not start without it"],
  ["cursor.key", "once promoted, verifiers can't show a primary that comes back that it is over"],
] as const;
const MARK_EVERY_MS = 1_000;
/** Of lines that say how far it is. */
const TELL_EVERY_MS = 60_000;
const MICROS_PER_SECOND = 1_000_000;

/**
 * Opens the data directory as a standby's and keeps the copy in it up with the primary.
 *
 * @param closers - takes what has to be closed, also when this function throws.
 * @throws BrokerError NOT_SERVING where the directory has a ledger that is no copy, or is in use; any other error that says why it can't be
 */
export async function openStandby(config: Config, log: Log, closers: Closers): Promise<Standby> {
  const { standby } = config;
  if (standby === undefined) throw new Error("standby: expected the primary that is to be followed");
  const clock = systemClock();
  const directory = await openDataDirectory(config.dataDirectory);
  const marked = await readStandbyMark(directory.path);
  if (marked === undefined && existsSync(join(directory.ledger, DATABASE_FILE))) {
    throw new BrokerError(
      "NOT_SERVING",
      "the data directory has a ledger that is no standby's: a standby takes one without",
    );
  }
  const ledger = await openStandbyLedger(directory.ledger, clock.now);
  closers.push(() => ledger.close());
  const mark = (heard: Heard | undefined) =>
    writeStandbyMark(directory.path, { of: standby.of, ...(heard === undefined ? {} : { heard }) });
  await mark(marked?.heard);

  for (const [file, why] of BESIDE) {
    if (!existsSync(join(directory.path, file)))
      log.warning(`${file} of the primary is not in the data directory: ${why}`);
  }
  const files = keepFilesRenewed({ clock, log });
  closers.push(() => files.stop());
  const attestation = await attestationOf(standby, config, files);
  const primary = primaryOver(() => connectedTo(`tcp://${standby.of}`, attestation));
  closers.push(() => primary.close());
  const kept = keepStandby({
    ...{ ledger, clock, primary, heard: marked?.heard },
    changed: (status) => {
      if (status.why === undefined) log.info("following", factsOf(status, clock));
      else log.warning("not following", { why: status.why, ...factsOf(status, clock) });
    },
  });
  closers.push(() => kept.close());
  closers.push(everyMs(clock, TELL_EVERY_MS, async () => log.info("standby", factsOf(kept.status(), clock))));
  let marking: Heard | undefined;
  const keepMark = async () => {
    const { heard } = kept.status();
    if (heard === marking) return;
    marking = heard;
    await mark(heard);
  };
  const failed = (thrown: unknown) => log.fault("how far the primary is can't be kept", thrown);
  closers.push(everyMs(clock, MARK_EVERY_MS, () => keepMark().catch(failed)));

  const metrics = createStandbyMetrics(() => ({ ...kept.status(), now: clock.now() }));
  const routes = operationsRoutes({ readiness: () => readinessOf(kept.status()), metrics });
  const operations =
    config.operations === undefined
      ? undefined
      : await startHttp(
          await httpListenerOf("operations.tls", config.operations, { files }),
          () => routes,
          (thrown) => log.fault("an HTTP request failed", thrown),
        );
  if (operations !== undefined) closers.push(() => operations.close());
  return { of: standby.of, operationsUrl: operations?.url, ended: kept.ended };
}

function connectedTo(endpoint: string, attestation: AttestationOptions): PrimaryConnection {
  const identity = attestedRuntimeSvid(attestation, endpoint);
  const { clientOf, close } = keepConnection(endpoint, identity);
  return {
    clientOf,
    close() {
      close();
      identity.close();
    },
  };
}

/** The certificate is read again when it changes: it is shown anew for each SVID. */
async function attestationOf(
  standby: StandbyConfig,
  { trustDomain }: Config,
  files: RenewedFiles,
): Promise<AttestationOptions> {
  const { current } = await files.follow(serverCertificate("standby.identity", standby));
  return {
    address: standby.attestation,
    trust: { trustDomain, bundleFile: standby.bundle },
    evidence: {
      get x509pop() {
        return current();
      },
    },
  };
}

function readinessOf({ why }: StandbyStatus) {
  return { ready: why === undefined, reasons: why === undefined ? [] : [why], warnings: [] };
}

function factsOf({ head, heard }: StandbyStatus, clock: Pick<Clock, "now">) {
  return {
    sequence: head?.sequence ?? 0,
    ...(heard === undefined
      ? {}
      : {
          eventsBehind: Math.max(0, heard.newest - (head?.sequence ?? 0)),
          secondsUnheard: Math.round((clock.now() - heard.at) / MICROS_PER_SECOND),
        }),
  };
}

/** @returns what ends it, once the call that is under way has ended. */
function everyMs(clock: Pick<Clock, "schedule">, ms: number, call: () => Promise<void>): () => Promise<void> {
  let isOver = false;
  let under: Promise<void> = Promise.resolve();
  let cancel = clock.schedule(ms, again);
  function again(): void {
    under = call().finally(() => {
      if (!isOver) cancel = clock.schedule(ms, again);
    });
  }
  return async () => {
    isOver = true;
    cancel();
    await under;
    await call();
  };
}
