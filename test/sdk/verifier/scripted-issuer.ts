import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";
import { bundleDocument, type Signer } from "../../verify/token-forge.ts";

/** What is answered to whoever asks for a path: a document, or whatever the test does with the answer. */
export type Served = string | ((response: ServerResponse, request: IncomingMessage) => void);

type ServerTls = { readonly cert: Buffer; readonly key: Buffer };

export type ScriptedIssuer = {
  readonly url: string;
  /** Replaces what is at a path. */
  serve(path: string, served: Served): void;
  /** How often a path was asked for. */
  asked(path: string): number;
  /** Breaks every connection, and listens no more. */
  stop(): void;
};

/** The plain key set of whoever signs lists and events. */
export function eventKeysOf(...signers: readonly Signer[]): string {
  const keys = signers.map(({ kid, publicKey }) => ({
    ...{ use: "sig", alg: "ES256", kid },
    ...publicKey.export({ format: "jwk" }),
  }));
  return JSON.stringify({ keys });
}

/** A server on this machine that has the documents of a broker, as the test tells it; what it has not is answered with 404. */
export function scriptedIssuer(
  { own, events }: { readonly own: Signer; readonly events: Signer },
  tls?: ServerTls,
): Promise<ScriptedIssuer> {
  const documents = new Map<string, Served>([
    ["/spiffe-bundle.json", bundleDocument(own)],
    ["/keys/events.json", eventKeysOf(events)],
  ]);
  return servedDocuments(documents, tls);
}

/** The same with these documents, by path. */
export async function servedDocuments(documents: Map<string, Served>, tls?: ServerTls): Promise<ScriptedIssuer> {
  const asked: string[] = [];
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    const path = request.url ?? "";
    asked.push(path);
    const served = documents.get(path);
    if (typeof served === "function") served(response, request);
    else response.writeHead(served === undefined ? 404 : 200).end(served);
  };
  const server =
    tls === undefined
      ? createServer(answer)
      : createTlsServer({ ...tls, requestCert: true, rejectUnauthorized: false }, answer);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  function stop(): void {
    server.closeAllConnections();
    server.close();
  }
  onTestFinished(stop);
  return {
    url: `${tls === undefined ? "http" : "https"}://127.0.0.1:${port}`,
    serve: (path, served) => void documents.set(path, served),
    asked: (path) => asked.filter((one) => one === path).length,
    stop,
  };
}
