import { once } from "node:events";
import { copyFileSync, renameSync } from "node:fs";
import type { TLSSocket } from "node:tls";
import { expect, onTestFinished, test } from "vitest";
import { eventually } from "../adapters/attestor-unix/peer-processes.ts";
import { madeCertificate } from "../api/http/http-peers.ts";
import { startDaemon } from "../daemon.ts";
import { shaken, shownAt } from "./shown-certificate.ts";

/** What comes back on a connection that is open. */
async function asked(socket: TLSSocket, url: string): Promise<string> {
  socket.write(`GET /.well-known/openid-configuration HTTP/1.1\r\nHost: 127.0.0.1:${new URL(url).port}\r\n\r\n`);
  const [answer] = await once(socket, "data");
  return String(answer);
}

function put(from: string, to: string): void {
  copyFileSync(from, `${to}.new`);
  renameSync(`${to}.new`, to);
}

test("new handshakes get the renewed certificate, open connections go on, and a pair that does not fit changes nothing", async () => {
  const [shown, next, other] = [madeCertificate(), madeCertificate(), madeCertificate()];
  const tls = { certificate: shown.certificate, private_key: shown.privateKey };
  const daemon = await startDaemon({ config: { http: { listen: "127.0.0.1:0", tls } } });
  onTestFinished(() => daemon[Symbol.asyncDispose]());
  const before = await shownAt(daemon.httpUrl);

  put(other.privateKey, shown.privateKey);
  await eventually(() => daemon.log.map(({ msg }) => msg).join("\n")).toContain("what was read before stays");
  expect(await shownAt(daemon.httpUrl)).toBe(before);

  const open = await shaken(daemon.httpUrl);
  expect(await asked(open, daemon.httpUrl)).toMatch(/^HTTP\/1\.1 200 /);
  put(next.privateKey, shown.privateKey);
  put(next.certificate, shown.certificate);
  await eventually(() => shownAt(daemon.httpUrl)).not.toBe(before);
  expect(await asked(open, daemon.httpUrl)).toMatch(/^HTTP\/1\.1 200 /);
}, 60_000);

test.for([
  { listener: "http", more: {} },
  { listener: "operations", more: {} },
  { listener: "attestation", more: { join_token: true } },
])(
  "a hangup takes the changed files of $listener at once, and with one that does not fit it takes nothing and says so",
  { timeout: 60_000 },
  async ({ listener, more }) => {
    const [shown, next, other] = [madeCertificate(), madeCertificate(), madeCertificate()];
    const tls = { certificate: shown.certificate, private_key: shown.privateKey };
    const daemon = await startDaemon({ config: { [listener]: { listen: "127.0.0.1:0", tls, ...more } } });
    onTestFinished(() => daemon[Symbol.asyncDispose]());
    const serving = daemon.log.find(({ msg }) => msg === "serving") ?? {};
    const url = String(serving[listener] ?? `https://127.0.0.1:${serving["attestationPort"]}`);
    const outcomes = () => daemon.log.filter(({ msg }) => /reloaded/.test(msg ?? ""));
    const reloaded = async () => {
      const before = outcomes().length;
      daemon.child.kill("SIGHUP");
      await eventually(() => outcomes().length).toBeGreaterThan(before);
    };
    const before = await shownAt(url);

    put(other.privateKey, shown.privateKey);
    await reloaded();
    const why = outcomes().at(-1)?.msg;
    expect(why).toMatch(/^not reloaded, nothing is changed: /);
    expect(why).toContain(`: ${listener}.tls.certificate: `);
    expect(await shownAt(url)).toBe(before);

    put(next.privateKey, shown.privateKey);
    put(next.certificate, shown.certificate);
    await reloaded();
    expect(await shownAt(url)).not.toBe(before);
    // Where the machine is so slow that the daemon's own look came first, the line is before that of the hangup.
    expect(daemon.log.filter(({ msg }) => msg === "files renewed")).toMatchObject([{ setting: `${listener}.tls` }]);
    expect([`${listener}.tls`, ""]).toContain(outcomes().at(-1)?.["filesRenewed"]);
  },
);
