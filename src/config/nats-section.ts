import { isIP } from "node:net";
import type { z } from "zod";
import { FEED_SUBJECT_DEFAULT, isFeedSubject } from "../domain/feed-message.ts";
import { absolutePath, isLoopback, list, section, text, whole } from "./fields.ts";

/** NATS servers on which the deny-list is told. */
export type NatsConfig = {
  /** `host:port`. */
  readonly servers: readonly string[];
  readonly isTls: boolean;
  readonly subject: string;
  readonly replicas: number;
  /** Paths of PEM files. */
  readonly tls: {
    readonly ca?: string;
    readonly client?: { readonly certificate: string; readonly privateKey: string };
  };
  /** Who logs in, by the paths of its files. */
  readonly login?:
    | { readonly kind: "credentials"; readonly file: string }
    | { readonly kind: "nkey"; readonly file: string }
    | { readonly kind: "password"; readonly user: string; readonly file: string };
};

/** As many servers as a stream can be kept by. */
const REPLICAS_MAX = 5;
const SERVER_EXPECTED =
  "tls://, a host's name and port, e.g. tls://nats.example.org:4222, or nats:// with a loopback address, e.g. nats://127.0.0.1:4222";
const SUBJECT_EXPECTED = "words of letters, digits, - and _ with dots between them, e.g. stint.example";

/** The message bus that tells the deny-list to verifiers that are too many for one broker. */
export const natsSection = section({
  servers: list(
    text(SERVER_EXPECTED).refine((url) => serverIn(url) !== undefined, { error: `expected ${SERVER_EXPECTED}` }),
    "servers",
  )
    .min(1, { error: "expected one server or more" })
    .describe("NATS servers of one cluster, with JetStream: TLS, or this machine alone."),
  subject: text(SUBJECT_EXPECTED)
    .refine(isFeedSubject, { error: `expected ${SUBJECT_EXPECTED}` })
    .prefault(FEED_SUBJECT_DEFAULT)
    .describe("Before all subjects, and the name of the stream, with _ for dots. Each broker has its own."),
  replicas: whole(1, REPLICAS_MAX)
    .prefault(1)
    .describe("Servers that keep the stream, where the broker makes it; a stream that is there stays as it is."),
  tls: section({
    ca: absolutePath()
      .optional()
      .describe("PEM file of the CA certificates that vouch for the servers. Absent: those that Node.js has."),
    certificate: absolutePath().optional().describe("PEM file of the certificate that servers are shown."),
    private_key: absolutePath().optional().describe("PEM file of the certificate's private key."),
  })
    .optional()
    .describe("How servers and the broker recognise each other by TLS."),
  credentials_file: absolutePath()
    .optional()
    .describe("File of mode 0600 with a user's JWT and seed, as nsc writes it."),
  nkey_seed_file: absolutePath().optional().describe("File of mode 0600 with the seed of an NKey."),
  user: text("a user's name").optional().describe("User who logs in with a password."),
  password_file: absolutePath().optional().describe("File of mode 0600 with the password of `user`."),
}).superRefine((nats, context) => {
  const custom = (key: string, message: string) => context.addIssue({ code: "custom", path: [key], message });
  const found = nats.servers.flatMap((url) => serverIn(url) ?? []);
  if (new Set(found.map(({ isTls }) => isTls)).size > 1)
    custom("servers", "expected tls:// in all of them, or in none");
  if (nats.tls !== undefined) {
    if (found.some(({ isTls }) => !isTls)) custom("tls", "expected tls:// servers with it");
    if ((nats.tls.certificate === undefined) !== (nats.tls.private_key === undefined)) {
      custom("tls", "expected certificate and private_key, or neither");
    }
  }
  if ((nats.user === undefined) !== (nats.password_file === undefined)) {
    custom("password_file", "expected user and password_file, or neither");
  }
  const ways = [nats.credentials_file, nats.nkey_seed_file, nats.password_file].filter((one) => one !== undefined);
  if (ways.length > 1) custom("credentials_file", "expected one of credentials_file, nkey_seed_file and password_file");
});

/** What the file says, in the words of the broker. */
export function natsOf(nats: z.output<typeof natsSection>): NatsConfig {
  const { ca, certificate, private_key: privateKey } = nats.tls ?? {};
  const found = nats.servers.flatMap((url) => serverIn(url) ?? []);
  const login = loginOf(nats);
  return {
    servers: found.map(({ address }) => address),
    isTls: found.every(({ isTls }) => isTls),
    subject: nats.subject,
    replicas: nats.replicas,
    tls: {
      ...(ca !== undefined && { ca }),
      ...(certificate !== undefined && privateKey !== undefined && { client: { certificate, privateKey } }),
    },
    ...(login !== undefined && { login }),
  };
}

function loginOf(nats: z.output<typeof natsSection>): NatsConfig["login"] {
  if (nats.credentials_file !== undefined) return { kind: "credentials", file: nats.credentials_file };
  if (nats.nkey_seed_file !== undefined) return { kind: "nkey", file: nats.nkey_seed_file };
  if (nats.user === undefined || nats.password_file === undefined) return undefined;
  return { kind: "password", user: nats.user, file: nats.password_file };
}

/** A login in the URL would be in every copy of the configuration, so none is taken there. */
function serverIn(given: string): { readonly address: string; readonly isTls: boolean } | undefined {
  const url = URL.canParse(given) ? new URL(given) : undefined;
  if (url === undefined || `${url.protocol}//${url.host}` !== given || url.port === "") return undefined;
  const isTls = url.protocol === "tls:";
  const host = url.hostname.replace(/^\[|\]$/g, "");
  // A server that is named by its address is known by the name localhost to the library, whoever it is.
  const isTaken = isTls ? isIP(host) === 0 : url.protocol === "nats:" && isLoopback(host);
  return isTaken ? { address: url.host, isTls } : undefined;
}
