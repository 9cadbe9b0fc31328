import { httpEventPush } from "../adapters/exchange-http/event-push.ts";
import type { Config } from "../config/config.ts";
import type { Cancel } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import { keepOutboxes, type OutboxesPorts } from "../signals/outboxes.ts";
import { keepPushing, type PushPorts } from "../signals/push-events.ts";
import type { Closers } from "./closers.ts";
import { pemCertificates } from "./pem-certificates.ts";
import type { Files, RenewedFiles } from "./renewed-files.ts";

/**
 * Keeps what is to be sent to receivers of security events, and pushes it to those that ask for that.
 *
 * @returns what is kept; `undefined` where no events are sent.
 */
export async function openSignals(
  { ssf, issuer }: Pick<Config, "ssf" | "issuer">,
  ports: Omit<OutboxesPorts, "issuer"> & Pick<PushPorts, "authorities" | "signer" | "entries">,
  { log, files }: { readonly log: Log; readonly files: Pick<RenewedFiles, "follow"> },
  closers: Closers,
) {
  if (!ssf.transmit) return undefined;
  const outboxes = await keepOutboxes({ ...ports, issuer });
  closers.push(() => outboxes.stop());
  const roots = ssf.roots === undefined ? undefined : await files.follow(eventRootFiles(ssf.roots));
  const stopPushing: Cancel = keepPushing({
    ...ports,
    issuer,
    outboxes,
    events: httpEventPush({ clock: ports.clock, ca: () => roots?.current().join("") }),
    delayed: (receiver, why) => log.recurring("a security event is not taken by its receiver yet", { receiver, why }),
  });
  closers.push(stopPushing);
  return outboxes;
}

/** The file of the CAs that vouch for receivers' places; read, it is their certificates, PEM. */
export function eventRootFiles(path: string): Files<readonly string[]> {
  return { setting: "ssf.roots", paths: [path], read: () => pemCertificates(path) };
}
