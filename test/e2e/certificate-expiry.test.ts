import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { UnixSeconds } from "../../src/domain/time.ts";
import { eventually } from "../adapters/attestor-unix/peer-processes.ts";
import { runStint } from "../cli/running.ts";
import { type Daemon, startDaemon } from "../daemon.ts";
import { authority, leafOf, pemOf } from "../verify/certificate-forge.ts";
import { parseMetrics, scrape } from "./metrics-text.ts";
import { OWN_ENTRIES, runtimeAt } from "./one-user.ts";

const HOUR = 3_600;
const NOW = Math.floor(Date.now() / 1_000);
const issuer = authority();

/** Writes a pair that is valid from and to so many hours from now. @returns its end, exclusive. */
function write(directory: string, fromHours: number, toHours: number): number {
  const [notBefore, notAfter] = [NOW + fromHours * HOUR, NOW + toHours * HOUR] as [UnixSeconds, UnixSeconds];
  const { der, privateKey } = leafOf(issuer, { notBefore, notAfter });
  const key = privateKey.export({ type: "pkcs8", format: "pem" });
  writeFileSync(join(directory, "tls.key"), key, { mode: 0o600 });
  writeFileSync(join(directory, "tls.crt"), pemOf("CERTIFICATE", der));
  return notAfter + 1;
}

async function readyz({ log }: Daemon): Promise<{ readonly status: number; readonly warnings: readonly string[] }> {
  const { operations } = log.find(({ msg }) => msg === "serving") ?? {};
  const response = await fetch(`${operations}/readyz`);
  const body = (await response.json()) as { readonly ready: boolean; readonly warnings: readonly string[] };
  expect(body.ready).toBe(response.status === 200);
  return { status: response.status, warnings: body.warnings };
}

test("a daemon whose certificate has ended starts, says so everywhere, and issues; renewed, it says so no more", async () => {
  const directory = mkdtempSync(join(tmpdir(), "stint-expiry-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const ended = write(directory, -48, -24);
  const tls = { certificate: join(directory, "tls.crt"), private_key: join(directory, "tls.key") };
  const daemon = await startDaemon({
    entries: OWN_ENTRIES,
    config: {
      http: { listen: "127.0.0.1:0", tls },
      operations: { listen: "127.0.0.1:0", plain_on_loopback: true },
    },
  });
  onTestFinished(() => daemon[Symbol.asyncDispose]());
  const expiry = async () =>
    parseMetrics(await scrape(daemon)).get('stint_certificate_expiry_timestamp_seconds{certificate="http"}');

  const why = expect.stringMatching(/^http\.tls: the certificate is not valid now: it ended at 20/);
  const words = daemon.log.map(({ msg }) => msg);
  expect(words.indexOf("a certificate is not valid now")).toBeGreaterThan(-1);
  expect(words.indexOf("a certificate is not valid now")).toBeLessThan(words.indexOf("serving"));
  expect(await readyz(daemon)).toEqual({ status: 200, warnings: [why] });
  const status = await runStint(["--operator-socket", daemon.operatorSocket, "status"]);
  expect(status).toMatchObject({ status: 0 });
  expect(status.out).toMatch(/^ready +yes$/m);
  expect(status.out).toMatch(/^warning +http\.tls: the certificate is not valid now/m);
  expect(await expiry()).toBe(ended);
  using runtime = runtimeAt(daemon.workloadSocket);
  await runtime.open();

  // The last tenth of its life.
  const endsSoon = write(directory, -100, 1);
  await eventually(() => readyz(daemon)).toEqual({
    status: 200,
    warnings: [expect.stringMatching(/^http\.tls: the certificate ends at 20/)],
  });
  expect(await expiry()).toBe(endsSoon);
  await eventually(() => daemon.log.map(({ msg }) => msg)).toContain("a certificate ends soon");

  write(directory, -1, 99);
  await eventually(() => readyz(daemon)).toEqual({ status: 200, warnings: [] });
});
