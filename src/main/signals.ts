import { httpEventPush } from "../adapters/exchange-http/event-push.ts";
import type { Config } from "../config/config.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Replicas } from "../ports/replicas.ts";
import type { SecurityEvents } from "../ports/security-events.ts";
import { keepOutboxes, type OutboxesPorts } from "../signals/outboxes.ts";
import { keepPushing, type PushPorts } from "../signals/push-events.ts";
import type { Closers } from "./closers.ts";
import { withRoots } from "./issuer-roots.ts";
import { pemCertificates } from "./pem-certificates.ts";
import type { Files, RenewedFiles } from "./renewed-files.ts";

/**
 * Keeps what is to be sent to receivers of security events, and pushes it to those that ask for that.
 *
 * @returns what is kept; `undefined` where no events are sent.
 */
export async function openSignals(
  { ssf, issuer }: Pick<Config, "ssf" | "issuer">,
  ports: Omit<OutboxesPorts, "issuer"> &
    Pick<PushPorts, "authorities" | "signer" | "entries" | "isElsewhere"> & { readonly replicas: Replicas | undefined },
  { log, files }: { readonly log: Log; readonly files: Pick<RenewedFiles, "follow"> },
  closers: Closers,
) {
  if (!ssf.transmit) return undefined;
  const { replicas } = ports;
  const outboxes = await keepOutboxes({
    ...ports,
    issuer,
    onDenied(listener) {
      const end = ports.onDenied(listener);
      // Whoever pushes from now on begins with what another broker has left.
      const endLeading = replicas?.onLook((isChanged) => isChanged && listener());
      return () => {
        end();
        endLeading?.();
      };
    },
  });
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

/** Who judges the security events of identity providers, by the CAs of its files as they are; `undefined` where none are taken. */
export async function securityEventsOf(
  { receive }: Config["ssf"],
  { clock, files }: { readonly clock: Clock; readonly files: Pick<RenewedFiles, "follow"> },
): Promise<SecurityEvents | undefined> {
  const of = securityEventFiles(receive, clock);
  if (of === undefined) return undefined;
  const { current } = await files.follow(of);
  return { verify: (token) => current().verify(token) };
}

export function securityEventFiles(receive: Config["ssf"]["receive"], clock: Clock): Files<SecurityEvents> | undefined {
  if (receive.length === 0) return undefined;
  return {
    setting: "ssf.receive",
    paths: receive.flatMap(({ roots }) => roots ?? []),
    read: async () => {
      const { createSecurityEvents } = await import("../adapters/attestor-oidc/security-events.ts");
      return createSecurityEvents(await Promise.all(receive.map(withRoots)), clock);
    },
  };
}
