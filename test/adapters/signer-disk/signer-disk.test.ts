import { createPrivateKey, createPublicKey, verify } from "node:crypto";
import {
  chmod,
  chown,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { openCommitSigner } from "../../../src/adapters/signer-disk/commit-signer-worker.ts";
import { signElsewhere } from "../../../src/adapters/signer-disk/keys-elsewhere.ts";
import { UnsafeFileError } from "../../../src/adapters/signer-disk/private-file.ts";
import { openDiskSigner } from "../../../src/adapters/signer-disk/signer-disk.ts";
import { systemRandomness } from "../../../src/adapters/system/system-randomness.ts";
import { addSeconds } from "../../../src/domain/time.ts";
import type { Signer } from "../../../src/ports/signer.ts";
import { signerContract } from "../../contract/signer.ts";
import { NOW, recordedOf, TRUST_DOMAIN } from "../../samples/credentials.ts";

const open = (directory: string): Promise<Signer> =>
  openDiskSigner({ directory, trustDomain: TRUST_DOMAIN, randomness: systemRandomness() });
/** A signer whose credentials are signed elsewhere, and that other place, here in the same thread. */
async function openElsewhere(directory: string) {
  const { keys, there, close } = signElsewhere();
  onTestFinished(close);
  const given = { directory, trustDomain: TRUST_DOMAIN, randomness: systemRandomness(), elsewhere: keys };
  return { signer: await openDiskSigner(given), there: openCommitSigner(there.port) };
}
const validity = { notBefore: NOW, expiresAt: addSeconds(NOW, 86_400) };
const toBeSigned = Buffer.from("to be signed");
const isRoot = process.geteuid?.() === 0;

signerContract("disk", async () => {
  const parent = await mkdtemp(join(tmpdir(), "stint-signer-"));
  return {
    signer: await open(join(parent, "keys")),
    close: () => rm(parent, { recursive: true, force: true }),
  };
});

let parent = "";
let directory = "";
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), "stint-signer-"));
  directory = join(parent, "keys");
});
afterEach(async () => {
  await rm(parent, { recursive: true, force: true });
});

const mode = async (path: string): Promise<string> => ((await stat(path)).mode & 0o7777).toString(8);

describe("the files", () => {
  test("are one PKCS#8 PEM of mode 600 for each key, in a directory of mode 700, whatever the umask", async () => {
    const umask = process.umask(0);
    try {
      const signer = await open(directory);
      const ca = await signer.create("x509-svid", validity);
      const ledger = await signer.create("ledger", validity);
      const names = [`ledger.${ledger.authorityId}.pem`, `x509-svid.${ca.authorityId}.pem`];
      expect((await readdir(directory)).sort()).toEqual(names);
      expect(await mode(directory)).toBe("700");
      for (const [index, authority] of [ledger, ca].entries()) {
        const path = join(directory, names[index] ?? "");
        expect(await mode(path)).toBe("600");
        const pem = await readFile(path, "utf8");
        expect(pem).toMatch(/^-----BEGIN PRIVATE KEY-----\n/);
        const publicKey = createPublicKey(createPrivateKey(pem)).export({ type: "spki", format: "der" });
        expect(new Uint8Array(publicKey)).toEqual(authority.publicKey);
      }
    } finally {
      process.umask(umask);
    }
  });

  test("bring every key back after a restart, each for its own family only", async () => {
    const first = await open(directory);
    const jwt = await first.create("jwt-svid", validity);
    const ca = await first.create("x509-svid", validity);

    const second = await open(directory);
    expect(second.holds(jwt.authorityId)).toBe(true);
    const signature = await second.signSvid(recordedOf("jwt-svid", jwt, toBeSigned));
    const key = createPublicKey({ key: Buffer.from(jwt.publicKey), format: "der", type: "spki" });
    expect(verify("sha256", toBeSigned, key, signature)).toBe(true);
    await expect(second.signSvid(recordedOf("jwt-svid", ca, toBeSigned))).rejects.toMatchObject({
      code: "AUTHORITY_UNAVAILABLE",
    });
  });

  test("that sign elsewhere sign no credential here, and CRLs as before, from their making on and after a restart", async () => {
    const first = await openElsewhere(directory);
    const [jwt, ca] = [
      await first.signer.create("jwt-svid", validity),
      await first.signer.create("x509-svid", validity),
    ];
    const second = await openElsewhere(directory);
    for (const { signer, there } of [first, second]) {
      for (const [kind, authority] of [
        ["jwt-svid", jwt],
        ["x509-svid", ca],
      ] as const) {
        const recorded = recordedOf(kind, authority, toBeSigned);
        await expect(signer.signSvid(recorded)).rejects.toMatchObject({ code: "AUTHORITY_UNAVAILABLE" });
        const key = createPublicKey({ key: Buffer.from(authority.publicKey), format: "der", type: "spki" });
        expect(verify("sha256", toBeSigned, key, there.sign(recorded))).toBe(true);
      }
      const facts = { thisUpdate: NOW, nextUpdate: addSeconds(NOW, 600), crlNumber: 7n, entries: [] };
      expect((await signer.signCrl(ca, facts)).length).toBeGreaterThan(0);
    }
    await second.signer.destroy(jwt.authorityId);
    expect(() => second.there.sign(recordedOf("jwt-svid", jwt, toBeSigned))).toThrow("the signing authority");
  });

  test("are gone with the key, also after a restart", async () => {
    const signer = await open(directory);
    const { authorityId } = await signer.create("jwt-svid", validity);
    await signer.destroy(authorityId);
    expect(await readdir(directory)).toEqual([]);
    expect((await open(directory)).holds(authorityId)).toBe(false);
  });

  test("that a crash left unfinished are removed, and nothing else is", async () => {
    const first = await open(directory);
    const { authorityId } = await first.create("jwt-svid", validity);
    const unfinished = join(directory, `jwt-svid.${"0".repeat(40)}.pem.0011223344556677.unfinished`);
    await writeFile(unfinished, "-----BEGIN PRI", { mode: 0o600 });
    const second = await open(directory);
    expect(await readdir(directory)).toEqual([`jwt-svid.${authorityId}.pem`]);
    expect(second.holds(authorityId)).toBe(true);
  });
});

test("a key that can't be written is no authority, and the caller is not told where it was to be", async () => {
  const signer = await open(directory);
  await rm(directory, { recursive: true });
  const refusal = await signer.create("jwt-svid", validity).catch((thrown: unknown) => thrown);
  expect(refusal).toMatchObject({ code: "AUTHORITY_UNAVAILABLE", message: "the signing authority is not available" });
  expect(JSON.stringify(refusal)).not.toContain(directory);
});

describe("at start a directory is refused, by its path,", () => {
  /** Starts, and expects to be refused for this path with these words. */
  async function refused(path: string, words: RegExp): Promise<void> {
    const thrown = await open(directory).catch((error: unknown) => error);
    expect(thrown).toBeInstanceOf(UnsafeFileError);
    expect(thrown).toMatchObject({ path, message: expect.stringMatching(words) });
    expect((thrown as Error).message.startsWith(`${path}: `)).toBe(true);
  }

  test.for([0o750, 0o705, 0o701, 0o770, 0o777])("that has mode %o", async (loose) => {
    await mkdir(directory);
    await chmod(directory, loose);
    await refused(directory, /has mode 07\d\d, and must have 0700/);
  });

  test("that is a symbolic link, with a slash behind it too", async () => {
    const real = join(parent, "real");
    await mkdir(real, { mode: 0o700 });
    await symlink(real, directory);
    await refused(directory, /a symbolic link, where a directory is expected/);
    await expect(open(`${directory}/`)).rejects.toThrow(UnsafeFileError);
  });

  test("that is a file", async () => {
    await writeFile(directory, "");
    await refused(directory, /a regular file, where a directory is expected/);
  });

  test.skipIf(!isRoot)("that is another user's", async () => {
    await mkdir(directory, { mode: 0o700 });
    await chown(directory, 65_534, 65_534);
    await refused(directory, /belongs to uid 65534, and must to uid 0/);
  });
});

describe("at start a file among the keys is refused, by its path,", () => {
  let path = "";
  beforeEach(async () => {
    const signer = await open(directory);
    const { authorityId } = await signer.create("jwt-svid", validity);
    path = join(directory, `jwt-svid.${authorityId}.pem`);
  });

  async function refused(at: string, words: RegExp): Promise<void> {
    const thrown = await open(directory).catch((error: unknown) => error);
    expect(thrown).toBeInstanceOf(UnsafeFileError);
    expect(thrown).toMatchObject({ path: at, message: expect.stringMatching(words) });
    expect((thrown as Error).message).not.toContain("PRIVATE KEY");
  }

  test.for([0o640, 0o604, 0o660, 0o644, 0o601])("that has mode %o", async (loose) => {
    await chmod(path, loose);
    await refused(path, /has mode 06\d\d, and must have 0600/);
  });

  test("unless it is closed even to writing by its owner", async () => {
    await chmod(path, 0o400);
    await open(directory);
  });

  test.skipIf(!isRoot)("that is another user's", async () => {
    await chown(path, 65_534, 65_534);
    await refused(path, /belongs to uid 65534/);
  });

  test("that is a symbolic link, even to a good key", async () => {
    const elsewhere = join(parent, "key.pem");
    await rename(path, elsewhere);
    await symlink(elsewhere, path);
    await refused(path, /a symbolic link, where a regular file is expected/);
  });

  test("that is a directory", async () => {
    await rm(path);
    await mkdir(path);
    await refused(path, /a directory, where a regular file is expected/);
  });

  test("that is a socket", async () => {
    // A socket's path may be 107 bytes long, so it is made elsewhere.
    const bound = join(parent, "s");
    const server = createServer();
    await new Promise<void>((listening) => server.listen(bound, listening));
    try {
      await rm(path);
      await rename(bound, path);
      await refused(path, /a socket, where a regular file is expected/);
    } finally {
      await new Promise((closed) => server.close(closed));
    }
  });

  test("that is no key", async () => {
    await writeFile(path, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    await refused(path, /not the private key that its name says/);
  });

  test("that is another key than its name says, as when two files were swapped", async () => {
    const signer = await open(directory);
    const { authorityId } = await signer.create("jwt-svid", validity);
    await rename(join(directory, `jwt-svid.${authorityId}.pem`), path);
    await refused(path, /not the private key that its name says/);
  });

  test("that is a copy under another name", async () => {
    const copy = `${path}.bak`;
    await copyFile(path, copy);
    await refused(copy, /not a key of ours/);
  });

  test("that is larger than any key", async () => {
    await writeFile(path, Buffer.alloc(100_000));
    await refused(path, /larger than any file of ours/);
  });
});
