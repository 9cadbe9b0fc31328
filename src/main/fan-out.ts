import type { NatsCredentials, NatsLogin } from "../adapters/events-nats/nats-credentials.ts";
import { readPrivateFile } from "../adapters/signer-disk/private-file.ts";
import { readTlsFiles } from "../api/http/tls-files.ts";
import { type FanOut, type FanOutPorts, keepFanOut } from "../close/fan-out.ts";
import type { Config } from "../config/config.ts";
import type { NatsConfig } from "../config/nats-section.ts";
import type { Log } from "../ports/log.ts";
import { lifeOfFirst } from "./certificate-life.ts";
import type { Closers } from "./closers.ts";
import { pemCertificates } from "./pem-certificates.ts";
import type { Files, RenewedFiles } from "./renewed-files.ts";

/**
 * Tells the deny-list on NATS where that is configured; where it is not, nothing of its library is loaded.
 *
 * @throws BrokerError or UnsafeFileError when a file of the configuration can't be used. A bus that is not there keeps nobody from starting
 */
export async function openFanOut(
  { nats, issuer }: Pick<Config, "nats" | "issuer">,
  ports: Omit<FanOutPorts, "bus" | "issuer" | "delayed">,
  { log, files }: { readonly log: Log; readonly files: Pick<RenewedFiles, "follow"> },
  closers: Closers,
): Promise<FanOut | undefined> {
  if (nats === undefined) return undefined;
  const { servers, isTls: tls, subject, replicas } = nats;
  const { current: credentials } = await files.follow(natsFiles(nats));
  const { natsFeedBus } = await import("../adapters/events-nats/nats-feed-bus.ts");
  const fanOut = keepFanOut({
    ...ports,
    issuer,
    bus: natsFeedBus({ servers, tls, credentials, subject, replicas }),
    delayed: (why) => log.recurring("the deny-list can't be told on NATS yet", { why }),
  });
  closers.push(() => fanOut.stop());
  return fanOut;
}

/** The files by which NATS servers and the broker recognise each other; what they say when a connection is made counts. */
export function natsFiles({ tls: { ca, client }, login }: NatsConfig): Files<NatsCredentials> {
  return {
    setting: "nats",
    paths: [ca, client?.certificate, client?.privateKey, login?.file].filter((path) => path !== undefined),
    read: async () => ({
      ...(ca === undefined ? {} : { ca: (await pemCertificates(ca)).join("") }),
      ...(client === undefined ? {} : { client: await clientIn(client) }),
      ...(login === undefined ? {} : { login: await loginIn(login) }),
    }),
    ...(client !== undefined && { lifeOf: (read: NatsCredentials) => lifeOfFirst(read.client?.cert ?? "") }),
  };
}

async function clientIn(files: Parameters<typeof readTlsFiles>[0]): Promise<NonNullable<NatsCredentials["client"]>> {
  const { cert, key } = await readTlsFiles(files);
  return { cert: String(cert), key: String(key) };
}

async function loginIn(login: NonNullable<NatsConfig["login"]>): Promise<NatsLogin> {
  const text = String(await readPrivateFile(login.file));
  switch (login.kind) {
    case "credentials":
      return { kind: login.kind, text };
    case "nkey":
      return { kind: login.kind, seed: text.trim() };
    case "password":
      return { kind: login.kind, user: login.user, password: text.replace(/\r?\n$/, "") };
  }
}
