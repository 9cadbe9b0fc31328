import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { addSeconds, secondsOf, type UnixSeconds } from "../../src/domain/time.ts";
import { type FileCertificate, keepFilesRenewed } from "../../src/main/renewed-files.ts";
import { serverCertificate } from "../../src/main/server-certificate.ts";
import type { Log } from "../../src/ports/log.ts";
import { eventually } from "../adapters/attestor-unix/peer-processes.ts";
import { ports } from "../contract/ledger-world.ts";
import { authority, ecPair, leafOf, pemOf } from "../verify/certificate-forge.ts";

// Real files, and a clock that stands still until told: what is looked at in which order is the test's to say.

const HOUR = 3_600;
const issuer = authority();

/** A directory with a server certificate in it, the one whose look is due each second, and what the log was told. */
async function scene() {
  const { clock } = ports();
  const now = secondsOf(clock.now());
  const directory = mkdtempSync(join(tmpdir(), "stint-renewed-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const place = { certificate: join(directory, "tls.crt"), privateKey: join(directory, "tls.key") };
  const lines: string[] = [];
  const log = {
    fault: (what: string) => void lines.push(what),
    info: (what: string, facts: object) => void lines.push(`${what} ${JSON.stringify(facts)}`),
  } as unknown as Log;

  /** Writes a pair that is valid from so many hours before to so many after now. @returns its certificate, PEM. */
  function written(at: typeof place, { from = -1, to = 24 } = {}): string {
    const pair = ecPair();
    const [notBefore, notAfter] = [from, to].map((hours) => addSeconds(now, hours * HOUR)) as [
      UnixSeconds,
      UnixSeconds,
    ];
    const pem = pemOf("CERTIFICATE", leafOf(issuer, { pair, notBefore, notAfter }).der);
    writeFileSync(at.privateKey, pair.privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
    writeFileSync(at.certificate, pem);
    return pem;
  }

  const files = keepFilesRenewed({ clock, log });
  onTestFinished(() => files.stop());
  return {
    clock,
    directory,
    files,
    lines,
    place,
    written,
    follow: async () => (await files.follow(serverCertificate("http.tls", place))).current,
    /** Lets as many seconds pass, with one look after another. */
    async pass(seconds: number): Promise<void> {
      for (let second = 0; second < seconds; second += 1) {
        clock.advance(1_000);
        await eventually(clock.pending).toBe(1);
      }
    },
  };
}

test("changed files are taken once they have stood still for one look, and whoever shows them is told", async () => {
  const { files, place, written, pass, lines } = await scene();
  const first = written(place);
  const { current, onChange } = await files.follow(serverCertificate("http.tls", place));
  let changes = 0;
  onChange(() => {
    changes += 1;
  });
  await pass(3);
  const second = written(place);
  await pass(1);
  expect([current().certificateChain, changes]).toEqual([first, 0]);
  await pass(1);
  expect([current().certificateChain, changes]).toEqual([second, 1]);
  await pass(3);
  expect(changes).toBe(1);
  expect(lines).toEqual(['files renewed {"setting":"http.tls","expiresAt":"2026-11-23T10:00:01Z"}']);
});

test("a link that is exchanged above the files, as Kubernetes does, is a change", async () => {
  const { directory, place, written, pass, follow } = await scene();
  const generation = (name: string) => {
    mkdirSync(join(directory, name));
    const inside = (file: string) => join(directory, name, file);
    return written({ certificate: inside("tls.crt"), privateKey: inside("tls.key") });
  };
  const first = generation("..1");
  symlinkSync("..1", join(directory, "..data"));
  symlinkSync("..data/tls.crt", place.certificate);
  symlinkSync("..data/tls.key", place.privateKey);
  const current = await follow();
  expect(current().certificateChain).toBe(first);

  const second = generation("..2");
  symlinkSync("..2", join(directory, "..data_tmp"));
  renameSync(join(directory, "..data_tmp"), join(directory, "..data"));
  rmSync(join(directory, "..1"), { recursive: true });
  await pass(2);
  expect(current().certificateChain).toBe(second);
});

test.for([
  { what: "has expired", life: { from: -3, to: -1 }, says: "it ended at 2026-11-22T09:00:01Z" },
  { what: "is not valid yet", life: { from: 1, to: 3 }, says: "it is not valid before 2026-11-22T11:00:00Z" },
])("a certificate that $what takes no other's place, and the log says so once", async ({ life, says }) => {
  const { place, written, pass, lines, follow } = await scene();
  const first = written(place);
  const current = await follow();
  written(place, life);
  await pass(130);
  expect(current().certificateChain).toBe(first);
  expect(lines).toEqual([
    expect.stringContaining(`what was read before stays: the certificate is not valid now: ${says}`),
  ]);
});

test("a certificate that was not valid yet is taken when it is, though nobody writes it again", async () => {
  const { clock, place, written, pass, files, follow } = await scene();
  written(place);
  const current = await follow();
  const next = written(place, { from: 1, to: 99 });
  await pass(2);
  clock.advance(HOUR * 1_000);
  await eventually(clock.pending).toBe(1);
  await pass(1);
  expect(current().certificateChain).toBe(next);
  expect(files.certificates()).toMatchObject([{ setting: "http.tls" } satisfies Partial<FileCertificate>]);
});

test.for<{ readonly what: string; readonly spoil: (path: string) => void; readonly says: string }>([
  { what: "is gone", spoil: unlinkSync, says: "can't be read (ENOENT)" },
  { what: "is of another pair", spoil: (path) => writeFileSync(path, keyOfOther()), says: "KEY_VALUES_MISMATCH" },
  { what: "is empty", spoil: (path) => writeFileSync(path, ""), says: "no certificate and its private key in PEM" },
])("while a key $what the pair before stays, until there is one that fits", async ({ spoil, says }) => {
  const { place, written, pass, lines, follow } = await scene();
  const first = written(place);
  const current = await follow();
  spoil(place.privateKey);
  await pass(2);
  expect(current().certificateChain).toBe(first);
  expect(lines).toEqual([expect.stringContaining(says)]);
  const next = written(place);
  await pass(2);
  expect(current().certificateChain).toBe(next);
});

const keyOfOther = () => ecPair().privateKey.export({ type: "pkcs8", format: "pem" });

test("asked to, it takes changed files without waiting for a look, and names their settings", async () => {
  const { files, place, written, follow, directory } = await scene();
  written(place);
  const current = await follow();
  const other = { certificate: join(directory, "other.crt"), privateKey: join(directory, "other.key") };
  copyFileSync(place.certificate, other.certificate);
  copyFileSync(place.privateKey, other.privateKey);
  await files.follow(serverCertificate("operations.tls", other));
  const next = written(place);
  expect(await files.renew()).toEqual(["http.tls"]);
  expect(current().certificateChain).toBe(next);
  expect(await files.renew()).toEqual([]);
});
