import { once } from "node:events";
import { chmodSync, copyFileSync, symlinkSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { setImmediate } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import { Hono } from "hono";
import { expect, onTestFinished, test } from "vitest";
import { startHttp } from "../../../src/api/http/start-http.ts";
import { BrokerError } from "../../../src/domain/errors.ts";
import { ask, LOOPBACK, madeCertificate, sendRaw, started } from "./http-peers.ts";

const hello = (): Hono => new Hono().get("/hello", (context) => context.text("hello"));

test.for([
  { method: "GET", host: "stint.example.org" },
  { method: "GET", host: "stint.example.org:8443" },
  { method: "GET", host: "STINT.example.org" },
  { method: "GET", host: "127.0.0.1:PORT" },
  { method: "GET", host: "localhost:PORT" },
  { method: "HEAD", host: "stint.example.org" },
])("answers $method for the host $host", async ({ method, host }) => {
  const { url, port } = await started(hello());
  const answer = await ask(`${url}/hello`, { method, headers: { host: host.replace("PORT", String(port)) } });
  expect(answer).toMatchObject({ status: 200, body: method === "HEAD" ? "" : "hello" });
});

test.for([
  "evil.example",
  "evil.example:PORT",
  "localhost.evil.example:PORT",
  "stint.example.org.evil.example",
  "xstint.example.org",
  "stint.example.org.",
  "127.0.0.1",
  "127.0.0.1:1",
  "localhost",
  "127.0.0.2:PORT",
  "0.0.0.0:PORT",
  "[::1]:PORT",
  "stint.example.org:443:443",
  "stint.example.org@evil.example",
  "",
])("a page whose name was made to resolve here gets nothing: host '%s' is 421", async (host) => {
  const { port } = await started(hello());
  const answer = await sendRaw(port, `GET /hello HTTP/1.1\r\nHost: ${host.replace("PORT", String(port))}\r\n\r\n`);
  expect(answer).toMatch(/^HTTP\/1\.1 421 /);
  expect(answer).not.toContain("hello");
});

test("a name that is given with a port passes for that port only", async () => {
  const { url } = await started(hello(), { ...LOOPBACK, hosts: ["keys.example.org:8443"] });
  const statusFor = async (host: string): Promise<number> => (await ask(`${url}/hello`, { headers: { host } })).status;
  expect(await statusFor("keys.example.org:8443")).toBe(200);
  expect(await statusFor("keys.example.org")).toBe(421);
  expect(await statusFor("keys.example.org:8444")).toBe(421);
});

test("a listener on every address answers to the address that a connection came in at", async () => {
  const { certificate, privateKey, pem } = madeCertificate();
  const { port } = await started(hello(), { host: "0.0.0.0", port: 0, hosts: [], tls: { certificate, privateKey } });
  expect(await ask(`https://127.0.0.1:${port}/hello`, { ca: pem })).toMatchObject({ status: 200 });
  const foreign = await ask(`https://127.0.0.1:${port}/hello`, { ca: pem, headers: { host: `0.0.0.0:${port}` } });
  expect(foreign.status).toBe(421);
});

test("answers on IPv6 loopback, by its address", async () => {
  const { url, port } = await started(hello(), { host: "::1", port: 0, hosts: [] });
  expect(url).toBe(`http://[::1]:${port}`);
  expect(await ask(`${url}/hello`)).toMatchObject({ status: 200, body: "hello" });
});

test.for([
  { what: "no Host", head: "GET /hello HTTP/1.1\r\n", status: 400 },
  { what: "no Host in HTTP/1.0", head: "GET /hello HTTP/1.0\r\n", status: 400 },
  {
    what: "two Hosts, the first of them ours",
    head: "GET /hello HTTP/1.1\r\nHost: stint.example.org\r\nHost: evil.example\r\n",
    status: 400,
  },
  {
    what: "a whole URL as target",
    head: "GET http://stint.example.org/hello HTTP/1.1\r\nHost: stint.example.org\r\n",
    status: 400,
  },
  { what: "an asterisk as target", head: "OPTIONS * HTTP/1.1\r\nHost: stint.example.org\r\n", status: 400 },
  {
    what: "a body by length",
    head: "GET /hello HTTP/1.1\r\nHost: stint.example.org\r\nContent-Length: 1000000000\r\n",
    status: 400,
  },
  {
    what: "a body in chunks",
    head: "GET /hello HTTP/1.1\r\nHost: stint.example.org\r\nTransfer-Encoding: chunked\r\n",
    status: 400,
  },
  {
    what: "a head of nine kilobytes",
    head: `GET /hello HTTP/1.1\r\nHost: stint.example.org\r\nX: ${"x".repeat(9_000)}\r\n`,
    status: 431,
  },
  {
    what: "a path of nine kilobytes",
    head: `GET /${"x".repeat(9_000)} HTTP/1.1\r\nHost: stint.example.org\r\n`,
    status: 431,
  },
])("refuses $what, and closes the connection", async ({ head, status }) => {
  const { port } = await started(hello());
  const answer = await sendRaw(port, `${head}\r\n`);
  expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
});

test.for(["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"])(
  "%s is not for what is read only",
  async (method) => {
    const { port } = await started(hello());
    const answer = await sendRaw(port, `${method} /hello HTTP/1.1\r\nHost: stint.example.org\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 405 /);
    expect(answer).toMatch(/^allow: GET, HEAD\r$/im);
  },
);

test("no other origin may read an answer, frame it or guess its type", async () => {
  const { url } = await started(hello());
  for (const path of ["/hello", "/nothing"]) {
    const { headers } = await ask(`${url}${path}`, { headers: { origin: "https://evil.example" } });
    expect(headers).toMatchObject({
      "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
      "cross-origin-resource-policy": "same-origin",
      "referrer-policy": "no-referrer",
      "x-content-type-options": "nosniff",
    });
    expect(Object.keys(headers).filter((name) => name.startsWith("access-control-"))).toEqual([]);
    expect(headers).not.toHaveProperty("x-powered-by");
  }
});

test("a path that there is not is 404 and kept by no cache", async () => {
  const { url } = await started(hello());
  expect(await ask(`${url}/nothing`)).toMatchObject({ status: 404, headers: { "cache-control": "no-store" } });
});

test("what a route throws goes to the log and not to the peer", async () => {
  const thrown: unknown[] = [];
  const routes = new Hono().get("/broken", () => {
    throw new Error("secret at /var/lib/stint");
  });
  const { url } = await started(routes, LOOPBACK, (error) => thrown.push(error));
  expect(await ask(`${url}/broken`)).toMatchObject({ status: 500, body: "internal error\n" });
  expect(thrown).toEqual([new Error("secret at /var/lib/stint")]);
});

test("a form that breaks off because its client leaves is told to nobody", async () => {
  const thrown: unknown[] = [];
  const [begun, failed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const routes = new Hono().post("/form", async (context) => {
    const form = context.req.text();
    begun.resolve();
    await form.finally(failed.resolve);
    return context.text("taken");
  });
  const forms = new Map([["/form", { bytesMax: 100 }]]);
  const running = await startHttp(
    LOOPBACK,
    () => routes,
    (error) => thrown.push(error),
    { forms },
  );
  onTestFinished(running.close);
  const { host, port } = new URL(running.url);
  const socket = connect(Number(port), "127.0.0.1");
  socket.write(`POST /form HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/x-www-form-urlencoded\r\n`);
  socket.write("Content-Length: 9\r\n\r\nhalf");
  await begun.promise;
  socket.destroy();
  await failed.promise;
  await setImmediate();
  expect(thrown).toEqual([]);
});

test("a head that never ends is cut off", async () => {
  const { port } = await started(hello());
  expect(await sendRaw(port, "GET /hello HTTP/1.1\r\nHost: stint")).toMatch(/^(HTTP\/1\.1 408 |$)/);
});

test("silent connections are bounded, the next are told so, and when they are gone others are served", async () => {
  const { url, port } = await started(hello());
  const sockets: Socket[] = [];
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
  });
  const opened = (socket: Socket): Promise<unknown> =>
    new Promise((resolve) => socket.once("connect", resolve).once("error", resolve));
  let dropped = 0;
  for (let count = 0; count < 600; count += 1) {
    if (count === 512) expect(await ask(`${url}/hello`)).toMatchObject({ status: 503 });
    // Two addresses, each with as many as one may have.
    const socket = connect({ port, host: "127.0.0.1", localAddress: `127.0.0.${1 + (count % 2)}` });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      dropped += 1;
    });
    sockets.push(socket);
    await opened(socket);
  }
  await expect.poll(() => dropped).toBe(600 - 512 - 32);
  for (const socket of sockets) socket.destroy();
  await expect.poll(async () => (await ask(`${url}/hello`).catch(() => undefined))?.status).toBe(200);
});

test("silent connections of one address, however many, keep no other address out", async () => {
  const { url, port } = await started(hello());
  const sockets: Socket[] = [];
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
  });
  let dropped = 0;
  for (let count = 0; count < 600; count += 1) {
    const socket = connect({ port, host: "127.0.0.1", localAddress: "127.0.0.2" });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      dropped += 1;
    });
    sockets.push(socket);
    await once(socket, "connect");
  }
  await expect.poll(() => dropped).toBe(600 - 256 - 32);
  expect(await ask(`${url}/hello`)).toMatchObject({ status: 200 });
});

test("closing lets what is in flight finish, and then nobody listens", async () => {
  let arrived = (): void => undefined;
  let finish = (): void => undefined;
  const isThere = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const mayFinish = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const routes = new Hono().get("/slow", async (context) => {
    arrived();
    await mayFinish;
    return context.text("done");
  });
  const { url, close } = await started(routes);
  const answer = ask(`${url}/slow`);
  await isThere;
  const isClosed = close();
  finish();
  expect(await answer).toMatchObject({ status: 200, body: "done" });
  await isClosed;
  await expect(ask(`${url}/slow`)).rejects.toMatchObject({ code: "ECONNREFUSED" });
});

test("serves TLS with the certificate of its files, which may be symlinks", async () => {
  const { certificate, privateKey, pem } = madeCertificate();
  symlinkSync(certificate, `${certificate}.link`);
  symlinkSync(privateKey, `${privateKey}.link`);
  const tls = { certificate: `${certificate}.link`, privateKey: `${privateKey}.link` };
  const { url, port } = await started(hello(), { ...LOOPBACK, tls });
  expect(url).toBe(`https://127.0.0.1:${port}`);
  const host = "stint.example.org";
  expect(await ask(`${url}/hello`, { ca: pem, servername: host, headers: { host } })).toMatchObject({ status: 200 });
  const evil = await ask(`${url}/hello`, { ca: pem, servername: host, headers: { host: "evil.example" } });
  expect(evil.status).toBe(421);
});

test.for([
  { version: "TLSv1.3", accepted: true },
  { version: "TLSv1.2", accepted: true },
  { version: "TLSv1.1", accepted: false },
] as const)("TLS $version accepted: $accepted", async ({ version, accepted }) => {
  const { certificate, privateKey, pem } = madeCertificate();
  const { port } = await started(hello(), { ...LOOPBACK, tls: { certificate, privateKey } });
  const negotiated = await new Promise<string | null>((resolve) => {
    const socket = connectTls(
      { host: "127.0.0.1", port, ca: pem, minVersion: version, maxVersion: version, ciphers: "DEFAULT@SECLEVEL=0" },
      () => {
        resolve(socket.getProtocol());
        socket.destroy();
      },
    );
    socket.on("error", () => resolve(null));
  });
  expect(negotiated).toBe(accepted ? version : null);
});

test("plain HTTP to a TLS listener is no answer of ours", async () => {
  const { certificate, privateKey } = madeCertificate();
  const { port } = await started(hello(), { ...LOOPBACK, tls: { certificate, privateKey } });
  expect(await sendRaw(port, "GET /hello HTTP/1.1\r\nHost: stint.example.org\r\n\r\n")).not.toContain("hello");
});

test.for<{
  readonly what: string;
  readonly spoil: (files: ReturnType<typeof madeCertificate>) => void;
  readonly says: RegExp;
}>([
  {
    what: "a private key that everybody may read",
    spoil: ({ privateKey }) => chmodSync(privateKey, 0o644),
    says: /tls\.key: the private key is open to everybody$/,
  },
  {
    what: "a certificate that is none",
    spoil: ({ certificate }) => writeFileSync(certificate, "hello"),
    says: /tls\.crt, .*tls\.key: no certificate and its private key in PEM/,
  },
  {
    what: "a key of another certificate",
    spoil: ({ privateKey }) => copyFileSync(madeCertificate().privateKey, privateKey),
    says: /tls\.crt, .*tls\.key: no certificate and its private key in PEM/,
  },
  {
    what: "a certificate that is far too large",
    spoil: ({ certificate }) => writeFileSync(certificate, " ".repeat(300_000)),
    says: /tls\.crt: more than 262144 bytes$/,
  },
])("refuses to start with $what, and names the file to the log alone", async ({ spoil, says }) => {
  const files = madeCertificate();
  spoil(files);
  const refusal = await startHttp({ ...LOOPBACK, tls: files }, hello, () => undefined).catch(
    (thrown: unknown) => thrown,
  );
  expect(refusal).toBeInstanceOf(BrokerError);
  expect(refusal).toMatchObject({ code: "NOT_SERVING", detail: expect.stringMatching(says) });
  expect((refusal as BrokerError).message).not.toContain("tls.");
});

test("refuses plain HTTP on an address that others reach", async () => {
  await expect(startHttp({ host: "0.0.0.0", port: 0, hosts: [] }, hello, () => undefined)).rejects.toMatchObject({
    code: "NOT_SERVING",
    detail: "0.0.0.0 port 0: plain HTTP is for loopback only",
  });
});

test("refuses a port that is taken, and names it", async () => {
  const { port } = await started(hello());
  await expect(startHttp({ ...LOOPBACK, port }, hello, () => undefined)).rejects.toMatchObject({
    code: "NOT_SERVING",
    detail: `127.0.0.1 port ${port}: EADDRINUSE`,
  });
});
