import { X509Certificate } from "node:crypto";
import { stat } from "node:fs/promises";
import type { SvidSource } from "../api/http/tls-context.ts";
import { readTlsFiles, type TlsFiles } from "../api/http/tls-files.ts";
import { BrokerError } from "../domain/errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import { sentenceOf } from "./for-operator.ts";

/** A certificate is renewed days ahead; whoever renews two files one after another is done within one look. */
const LOOK_EVERY_MS = 1_000;

/** A server certificate from files, read again when they change. */
export type RenewedFiles = SvidSource & { stop(): void };

/**
 * Reads a server certificate with its key, and again once both files were changed and have stood still for one look.
 * What is looked at is where a path leads, so links may be exchanged (certbot, Kubernetes). A pair that does not fit is
 * told to the log, once, and the pair before stays.
 *
 * @param key - of the setting.
 * @throws BrokerError NOT_SERVING when the files can't be used
 */
export async function followTlsFiles(
  key: string,
  files: TlsFiles,
  { clock, log }: { readonly clock: Pick<Clock, "schedule">; readonly log: Log },
): Promise<RenewedFiles> {
  let taken = await stateOf(files);
  let seen = taken;
  let material = await materialOf(files);
  const listeners = new Set<() => void>();
  let cancel = clock.schedule(LOOK_EVERY_MS, look);
  let isStopped = false;

  function look(): void {
    void renew().finally(() => {
      if (!isStopped) cancel = clock.schedule(LOOK_EVERY_MS, look);
    });
  }

  async function renew(): Promise<void> {
    const before = seen;
    seen = await stateOf(files);
    if (seen === taken || seen !== before) return;
    taken = seen;
    try {
      const next = await materialOf(files);
      checkInForce(next.certificateChain);
      material = next;
      for (const changed of listeners) changed();
      log.info("certificate renewed", { setting: key });
    } catch (thrown) {
      log.fault(
        `${key}: the files changed and can't be used, the certificate before stays: ${sentenceOf(thrown)}`,
        thrown,
      );
    }
  }

  return {
    material: () => material,
    onChange(changed) {
      listeners.add(changed);
      return () => void listeners.delete(changed);
    },
    stop() {
      isStopped = true;
      cancel();
    },
  };
}

async function materialOf(
  files: TlsFiles,
): Promise<{ readonly certificateChain: string; readonly privateKey: string }> {
  const { cert, key } = await readTlsFiles(files);
  return { certificateChain: String(cert), privateKey: String(key) };
}

function checkInForce(certificateChain: string): void {
  const { validFromDate, validToDate } = new X509Certificate(certificateChain);
  const now = Date.now();
  if (validFromDate.getTime() <= now && now <= validToDate.getTime()) return;
  throw new BrokerError("NOT_SERVING", "the server certificate is not valid now");
}

/** Differs whenever other files are there, or the files were written. */
async function stateOf({ certificate, privateKey }: TlsFiles): Promise<string> {
  const states = [certificate, privateKey].map(async (path) => {
    try {
      const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
      return [dev, ino, size, mtimeNs, ctimeNs].join(":");
    } catch {
      return "unreadable";
    }
  });
  return (await Promise.all(states)).join(" ");
}
