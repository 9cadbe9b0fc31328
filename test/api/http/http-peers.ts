import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { type IncomingHttpHeaders, request as plainRequest } from "node:http";
import { request as tlsRequest } from "node:https";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Hono } from "hono";
import { onTestFinished } from "vitest";
import { type HttpListener, type RunningHttp, startHttp } from "../../../src/api/http/start-http.ts";

export const LOOPBACK: HttpListener = { host: "127.0.0.1", port: 0, hosts: ["stint.example.org"] };

/** Starts a listener on a free port that goes with the test. A route that throws without the test's leave fails it. */
export async function started(
  routes: Hono,
  listener: HttpListener = LOOPBACK,
  onError: (thrown: unknown) => void = (thrown) => {
    throw thrown;
  },
): Promise<RunningHttp & { readonly port: number }> {
  const running = await startHttp(listener, () => routes, onError);
  onTestFinished(running.close);
  return { ...running, port: Number(new URL(running.url).port) };
}

export type Answer = {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
};

/** One request on a connection of its own. */
export function ask(
  url: string,
  options: {
    readonly method?: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly ca?: string;
    readonly servername?: string;
  } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const send = url.startsWith("https:") ? tlsRequest : plainRequest;
    const request = send(url, { ...options, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => {
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).toString(),
        });
      });
      response.on("error", reject);
    });
    request.on("error", reject);
    request.end();
  });
}

/** Sends bytes as they are, and gives all that comes back until the server closes the connection. */
export function sendRaw(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    const chunks: Buffer[] = [];
    socket.on("connect", () => socket.write(text));
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    socket.on("error", (error: NodeJS.ErrnoException) => (error.code === "ECONNRESET" ? undefined : reject(error)));
    socket.on("close", () => resolve(Buffer.concat(chunks).toString()));
  });
}

/** A certificate for `stint.example.org` and 127.0.0.1, signed by its own key, in files that go with the test. */
export function madeCertificate(more = ""): {
  readonly certificate: string;
  readonly privateKey: string;
  readonly pem: string;
} {
  const directory = mkdtempSync(join(tmpdir(), "stint-tls-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return certificateIn(directory, more);
}

/** The same in a directory that is there already. */
export function certificateIn(directory: string, more = "") {
  const certificate = join(directory, "tls.crt");
  const privateKey = join(directory, "tls.key");
  const names = `subjectAltName=DNS:stint.example.org,IP:127.0.0.1${more}`;
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", privateKey];
  const subject = ["-subj", "/CN=stint.example.org", "-addext", names];
  execFileSync("openssl", ["req", "-x509", "-days", "1", ...key, ...subject, "-out", certificate], { stdio: "pipe" });
  chmodSync(privateKey, 0o600);
  return { certificate, privateKey, pem: readFileSync(certificate, "utf8") };
}
