import { execFileSync } from "node:child_process";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readPkcs12 } from "../../../src/adapters/pkcs12-forge/read-pkcs12.ts";
import { readPkcs12Apart } from "../../../src/adapters/pkcs12-forge/read-pkcs12-apart.ts";
import { writePkcs12 } from "../../../src/adapters/pkcs12-forge/write-pkcs12.ts";
import { isMissing } from "../../conformance/toolchain.ts";

const noJava = isMissing({ name: "Java", commands: [["keytool", "-help"]] }, "tests with keytool");
const PASSWORD = "correct horse";
let directory: string;
const at = (name: string) => join(directory, name);
const openssl = (...args: string[]) =>
  execFileSync("openssl", args, { cwd: directory, stdio: "pipe", encoding: "utf8" });
const certificate = (name: string) => new X509Certificate(readFileSync(at(`${name}.crt`)));
const key = (name: string) => createPrivateKey(readFileSync(at(`${name}.key`)));

/** A root, a CA below it, and leaves of both kinds of key. */
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "stint-p12-"));
  const ca = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"];
  const p256 = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  const made = (name: string, ...more: string[]) =>
    openssl(
      "req",
      "-x509",
      "-days",
      "2",
      "-subj",
      `/CN=${name}`,
      "-keyout",
      `${name}.key`,
      "-out",
      `${name}.crt`,
      ...more,
    );
  const by = (name: string) => ["-CA", `${name}.crt`, "-CAkey", `${name}.key`];
  made("root", ...p256, ...ca);
  made("middle", ...p256, ...ca, ...by("root"));
  made("ec", ...p256, ...by("middle"));
  made("rsa", "-newkey", "rsa:2048", "-nodes", ...by("middle"));
  writeFileSync(at("above.pem"), ["root", "middle"].map((name) => readFileSync(at(`${name}.crt`))).join(""));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function writtenBy(name: string, password = PASSWORD): Uint8Array {
  const certificates = [name, "middle", "root"].map((one) => certificate(one).raw);
  return writePkcs12({ certificates, privateKey: key(name), password });
}

function exported(name: string, ...more: string[]): Uint8Array {
  const names = ["-inkey", `${name}.key`, "-in", `${name}.crt`, "-certfile", "above.pem"];
  openssl("pkcs12", "-export", "-out", "made.p12", "-passout", `pass:${PASSWORD}`, ...names, ...more);
  return readFileSync(at("made.p12"));
}

const namesOf = (certificates: readonly X509Certificate[]) => certificates.map(({ subject }) => subject);

describe.each(["ec", "rsa"])("a file with a key of kind %s", (name) => {
  test("is opened by OpenSSL, with its key and all certificates", () => {
    writeFileSync(at("own.p12"), writtenBy(name));
    const text = openssl("pkcs12", "-in", "own.p12", "-passin", `pass:${PASSWORD}`, "-nodes");
    expect(text.match(/BEGIN CERTIFICATE/g)).toHaveLength(3);
    expect(createPrivateKey(text).equals(key(name))).toBe(true);
  });

  test.skipIf(noJava)("is opened by Java, as one entry with its chain", () => {
    writeFileSync(at("own.p12"), writtenBy(name));
    const args = ["-list", "-v", "-keystore", at("own.p12"), "-storetype", "PKCS12", "-storepass", PASSWORD];
    const shown = execFileSync("keytool", [...args, "-J-Duser.language=en"], { encoding: "utf8", stdio: "pipe" });
    expect(shown).toMatch(/Alias name: svid\n/);
    expect(shown).toMatch(/Entry type: PrivateKeyEntry\n/);
    expect(shown).toMatch(/Certificate chain length: 3\n/);
  });

  test.for([
    { by: "OpenSSL as it is", more: [] },
    { by: "OpenSSL as it was", more: ["-legacy"] },
    { by: "OpenSSL with a MAC by SHA-512", more: ["-macalg", "sha512", "-iter", "4000"] },
    { by: "OpenSSL with the certificates in the clear", more: ["-certpbe", "NONE"] },
    { by: "OpenSSL with the key in the clear", more: ["-keypbe", "NONE"] },
  ])("is read as $by writes it, the certificates in the order of the chain", ({ more }) => {
    const read = readPkcs12(exported(name, ...more), PASSWORD);
    expect(namesOf(read.certificates)).toEqual([`CN=${name}`, "CN=middle", "CN=root"]);
    expect(read.privateKey.equals(key(name))).toBe(true);
  });

  test("is read as it was written", () => {
    const read = readPkcs12(writtenBy(name), PASSWORD);
    expect(namesOf(read.certificates)).toEqual([`CN=${name}`, "CN=middle", "CN=root"]);
    expect(read.privateKey.equals(key(name))).toBe(true);
  });
});

describe("read apart", () => {
  test("it is the same, and whoever else has something to do has turns meanwhile", async () => {
    let turns = 0;
    const counting = setInterval(() => {
      turns += 1;
    }, 1);
    const read = await readPkcs12Apart(exported("ec", "-iter", "20000"), PASSWORD);
    clearInterval(counting);
    expect(turns).toBeGreaterThan(0);
    expect(namesOf(read.certificates)).toEqual(["CN=ec", "CN=middle", "CN=root"]);
    expect(read.privateKey.equals(key("ec"))).toBe(true);
  });

  test("it is refused with the same words", async () => {
    await expect(readPkcs12Apart(writtenBy("ec"), "other")).rejects.toMatchObject({
      name: "Pkcs12Error",
      message: "the password is not that of the file, or the file is damaged",
    });
  });
});

describe("reading refuses", () => {
  const own = () => Buffer.from(writtenBy("ec"));

  test.for([
    { what: "another password", file: own, password: "other", why: /the password is not that of the file/ },
    { what: "an empty password", file: own, password: "", why: /1 to 256 printable/ },
    {
      what: "a password that programs take differently",
      file: own,
      password: "grün",
      why: /printable characters of ASCII/,
    },
    { what: "a file without a MAC", file: () => exported("ec", "-nomac"), why: /no MAC/ },
    { what: "a file without a key", file: () => exported("ec", "-nokeys"), why: /expected one private key/ },
    { what: "too many iterations of the MAC", file: () => exported("ec", "-iter", "210000"), why: /200000 iterations/ },
    {
      what: "too many iterations in all",
      file: () => exported("ec", "-iter", "70000"),
      why: /200000 iterations/,
    },
    { what: "a file that is too large", file: () => Buffer.concat([own(), Buffer.alloc(65_536)]), why: /larger than/ },
    {
      what: "a file with something behind it",
      file: () => Buffer.concat([own(), Buffer.alloc(1)]),
      why: /no PKCS #12/,
    },
    { what: "PEM", file: () => readFileSync(at("ec.crt")), why: /no PKCS #12/ },
  ])("$what, and says so", ({ file, password = PASSWORD, why }) => {
    expect(() => readPkcs12(file(), password)).toThrow(
      expect.objectContaining({ name: "Pkcs12Error", message: expect.stringMatching(why) }),
    );
  });

  test("a file that was changed anywhere, or reads the same of it", () => {
    const file = own();
    const read = readPkcs12(file, PASSWORD);
    for (let offset = 0; offset < file.length; offset += 97) {
      const changed = Buffer.from(file);
      changed[offset] = (changed[offset] ?? 0) ^ 0x01;
      let again: ReturnType<typeof readPkcs12> | undefined;
      try {
        again = readPkcs12(changed, PASSWORD);
      } catch (thrown) {
        expect(thrown).toMatchObject({ name: "Pkcs12Error" });
      }
      if (again !== undefined) expect(again.privateKey.equals(read.privateKey)).toBe(true);
    }
  });
});

test("writing refuses a password that programs take differently", () => {
  expect(() => writtenBy("ec", "grün")).toThrow(/printable characters of ASCII/);
});
