import { isIP } from "node:net";
import { isAbsolute, normalize } from "node:path";
import { z } from "zod";
import { BrokerError, invalidField } from "../domain/errors.ts";
import { checkResourceUri } from "../domain/grant.ts";

/*
 * What a key of the file may hold. Every message says what was expected there and never what was found: a value in the
 * wrong place may well be a secret.
 */

/** The address of a unix socket holds 108 bytes, the terminating zero among them. */
const SOCKET_PATH_BYTES_MAX = 107;
const SECONDS_OF = { s: 1, m: 60, h: 3_600, d: 86_400 } as const;
const DURATION = /^([0-9]{1,9})([smhd])$/;
const SOCKET_MODE = /^0[0-7]{3}$/;
const LISTEN = /^(?:\[([0-9a-f:.]{2,45})\]|([0-9.]{7,15})):([0-9]{1,5})$/;
const HOST =
  /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?$/;
const HOST_LENGTH_MAX = 260;

/** An address to listen on. */
export type ListenAddress = { readonly host: string; readonly port: number };

type Issue = { readonly code?: string | undefined; readonly input?: unknown };

function expecting(expected: string): (issue: Issue) => string {
  return (issue) => (issue.input === undefined ? `missing; expected ${expected}` : `expected ${expected}`);
}

/** A mapping with these keys and no others. */
export function section<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  const keys = Object.keys(shape).join(", ");
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === "unrecognized_keys" ? `no such key; expected ${keys}` : expecting(`a mapping of ${keys}`)(issue),
  });
}

export function list<Item extends z.ZodType>(item: Item, expected: string) {
  return z.array(item, { error: expecting(`a list of ${expected}`) });
}

export function text(expected: string) {
  return z.string({ error: expecting(expected) });
}

export function yesNo() {
  return z.boolean({ error: expecting("true or false") });
}

export function oneOf<const Values extends readonly [string, ...string[]]>(values: Values) {
  return z.enum(values, { error: expecting(`one of ${values.join(", ")}`) });
}

/** A whole number in a range, both ends included. */
export function whole(min: number, max: number) {
  const error = expecting(`a whole number from ${min} to ${max}`);
  return z.number({ error }).refine((value) => Number.isInteger(value) && value >= min && value <= max, { error });
}

/** A number whose bounds the domain knows. */
export function number(expected: string) {
  return z.number({ error: expecting(expected) });
}

/** A time span in seconds: text with its unit, or a bare number. The domain checks its bounds. */
export function duration() {
  const expected = "a time such as 90s, 5m or 1h, or a number of seconds";
  return z.union([z.string(), z.number()], { error: expecting(expected) }).transform((value, context) => {
    if (typeof value === "number") return value;
    const [, count, unit] = DURATION.exec(value) ?? [];
    if (count !== undefined) return Number(count) * SECONDS_OF[unit as keyof typeof SECONDS_OF];
    context.addIssue(`expected ${expected}`);
    return z.NEVER;
  });
}

/** Text that a function of the domain accepts. */
export function accepted<Value>(parse: (text: string) => Value, expected: string) {
  return text(expected).transform((value, context) => {
    try {
      return parse(value);
    } catch (thrown) {
      if (!(thrown instanceof BrokerError)) throw thrown;
      context.addIssue(`expected ${expected}`);
      return z.NEVER;
    }
  });
}

/** The URL of what is asked over the network. */
export function httpsUrl() {
  return accepted(parseHttps, "an https URL");
}

function parseHttps(url: string): string {
  checkResourceUri(url, "url");
  if (!url.startsWith("https://")) throw invalidField("url", "an https URL");
  return url;
}

/** A path that means the same from wherever the daemon is started. */
export function absolutePath() {
  const error = expecting("an absolute path without '.', '..' or a trailing slash");
  return z.string({ error }).refine(isPlainAbsolute, { error });
}

/** PEM files of a TLS server's certificate and key. */
export function serverCertificate() {
  return section({
    certificate: absolutePath().describe("PEM file of the certificate and those between it and its root."),
    private_key: absolutePath().describe("PEM file of the certificate's private key."),
  });
}

export function socketPath() {
  const error = expecting(
    `an absolute path of at most ${SOCKET_PATH_BYTES_MAX} bytes, all that a socket's address holds`,
  );
  return z
    .string({ error })
    .refine((path) => isPlainAbsolute(path) && Buffer.byteLength(path) <= SOCKET_PATH_BYTES_MAX, { error });
}

function isPlainAbsolute(path: string): boolean {
  return isAbsolute(path) && path !== "/" && normalize(path) === path && !path.endsWith("/") && !path.includes("\0");
}

/**
 * The mode of a socket. As text only: YAML reads a bare 0660 as the decimal number 660.
 */
export function socketMode() {
  const error = expecting('a mode in quotes, e.g. "0660"');
  return z
    .string({ error })
    .refine((mode) => SOCKET_MODE.test(mode), { error })
    .transform((mode) => Number.parseInt(mode, 8));
}

/** An address and a port; a name could mean another address tomorrow. Port 0: any that is free. */
export function listenAddress() {
  const expected = "an IP address and a port, e.g. 127.0.0.1:8443 or [::1]:8443";
  return text(expected).transform((value, context): ListenAddress => {
    const [, six, four, port] = LISTEN.exec(value) ?? [];
    const host = six ?? four ?? "";
    const isAddress = six === undefined ? isIP(host) === 4 : isIP(host) === 6;
    if (isAddress && Number(port) <= 65_535) return { host, port: Number(port) };
    context.addIssue(`expected ${expected}`);
    return z.NEVER;
  });
}

/** A name under which clients reach a listener, as it stands in their Host header. */
export function hostName() {
  const error = expecting("a host name in lower case, with its port or for any port, e.g. stint.example.org");
  return z.string({ error }).refine((name) => name.length <= HOST_LENGTH_MAX && HOST.test(name), { error });
}

/** This machine, as the host of a URL. */
export const LOOPBACK_NAMES = ["localhost", "127.0.0.1", "[::1]"];

/** Whether only this machine reaches the address. */
export function isLoopback(host: string): boolean {
  return host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}
