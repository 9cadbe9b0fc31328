import { chmodSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemClock } from "../../src/adapters/system/system-clock.ts";
import { systemRandomness } from "../../src/adapters/system/system-randomness.ts";
import type { Config } from "../../src/config/config.ts";
import { parseTrustDomain } from "../../src/domain/spiffe-id.ts";
import { upstreamFiles } from "../../src/main/open-signer.ts";
import { present } from "../contract/ledger-world.ts";
import { opensslAuthorities } from "../samples/openssl-authority.ts";

let ground: ReturnType<typeof opensslAuthorities>;
let certificate: string;
let passphraseFile: string;

/** A CA below a company's root, as PKCS #12. */
beforeAll(() => {
  ground = opensslAuthorities();
  const root = ground.make({ name: "company-root" });
  const issuing = ground.make({ name: "issuing", issuer: root });
  certificate = join(ground.directory, "ca.p12");
  const files = ["-inkey", issuing.keyPath, "-in", issuing.certificatePath, "-certfile", root.certificatePath];
  ground.openssl("pkcs12", "-export", ...files, "-passout", "pass:correct horse", "-out", certificate);
  chmodSync(certificate, 0o600);
  passphraseFile = written("passphrase", "correct horse\n");
});
afterAll(() => ground[Symbol.dispose]());

function written(name: string, text: string): string {
  const path = ground.write(name, text);
  chmodSync(path, 0o600);
  return path;
}

function opened(own: { readonly certificate?: string; readonly passphraseFile?: string } = {}) {
  const config = {
    upstreamAuthority: { certificate, passphraseFile, ...own },
    trustDomain: parseTrustDomain("example.org"),
  } as Config;
  return present(upstreamFiles(config, { clock: systemClock(), randomness: systemRandomness() })).read();
}

test("an upstream CA is taken from a PKCS #12 file by the passphrase of another file", async () => {
  expect((await opened()).expiresAt).toBeGreaterThan(Date.now() / 1_000);
});

test("another passphrase is refused, with the reason for the operator and without a word of it", async () => {
  const refused = opened({ passphraseFile: written("other", "incorrect horse\n") });
  await expect(refused).rejects.toMatchObject({
    code: "AUTHORITY_UNAVAILABLE",
    detail: "its PKCS #12 file: the password is not that of the file, or the file is damaged",
  });
});

test("files that others can read are refused", async () => {
  const open = written("open", "correct horse\n");
  chmodSync(open, 0o644);
  await expect(opened({ passphraseFile: open })).rejects.toMatchObject({ name: "UnsafeFileError" });
  chmodSync(certificate, 0o644);
  await expect(opened()).rejects.toMatchObject({ name: "UnsafeFileError" });
  chmodSync(certificate, 0o600);
});
