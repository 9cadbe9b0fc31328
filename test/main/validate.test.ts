import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliDecompressSync } from "node:zlib";
import { describe, expect, onTestFinished, test } from "vitest";
import { stringify } from "yaml";
import { openWriter } from "../../src/adapters/ledger-sqlite/connection.ts";
import { loadDriver } from "../../src/adapters/ledger-sqlite/driver.ts";
import type { UnixSeconds } from "../../src/domain/time.ts";
import { validateConfig } from "../../src/main/validate.ts";
import { inLedger } from "../adapters/ledger-sqlite/ledger-directory.ts";
import { madeCertificate } from "../api/http/http-peers.ts";
import { STINTD } from "../programs.ts";
import { authority, leafOf, pemOf } from "../verify/certificate-forge.ts";

const SCHEMA_4 = new URL("../adapters/ledger-sqlite/schema-4/", import.meta.url);
const driver = await loadDriver();

/** A configuration, and the place of the data directory, which is not there yet. */
function configured(settings: (directory: string) => object = () => ({})) {
  const directory = mkdtempSync(join(tmpdir(), "stint-validate-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  chmodSync(directory, 0o755);
  const configPath = join(directory, "stint.yaml");
  const data = join(directory, "data");
  const own = { trust_domain: "example.org", issuer: "https://stint.example.org", data_directory: data };
  writeFileSync(configPath, stringify({ ...own, ...settings(directory) }));
  const ledger = join(data, "ledger");
  return { directory, configPath, data, ledger, validate: () => validateConfig({ configPath, environment: {} }) };
}

const messageOf = (validating: Promise<unknown>): Promise<string> =>
  validating.then(
    () => "valid",
    (thrown: unknown) => (thrown instanceof Error ? thrown.message : String(thrown)),
  );

describe("a file that a setting names", () => {
  test("has to be there, and each that can't be used is told at once, with the line of its setting", async () => {
    const { validate, directory, configPath } = configured((at) => ({
      http: { tls: { certificate: join(at, "tls.crt"), private_key: join(at, "tls.key") } },
      attestation: { listen: "127.0.0.1:0", own_svid: true, x509pop: { ca: join(at, "ca.pem") } },
      upstream_authority: { disk: { certificate: join(at, "root.pem"), private_key: join(at, "root.key") } },
      key_manager: { pkcs11: { module: join(at, "module.so"), token_label: "t", pin_file: join(at, "pin") } },
    }));
    const lines = (await messageOf(validate())).split("\n").map((line) => line.replaceAll(directory, "…"));
    expect(lines).toEqual([
      "…/stint.yaml:6:18: http.tls.certificate: the server certificate can't be used: …/tls.crt: can't be read (ENOENT)",
      expect.stringMatching(/^…\/stint\.yaml:\d+:\d+: attestation\.x509pop\.ca: .* can't be read: …\/ca\.pem: ENOENT/),
      expect.stringMatching(/^…\/stint\.yaml:\d+:\d+: key_manager\.pkcs11\.module: ENOENT: .*…\/module\.so/),
      expect.stringMatching(/^…\/stint\.yaml:\d+:\d+: key_manager\.pkcs11\.pin_file: ENOENT: .*…\/pin/),
      expect.stringMatching(/^…\/stint\.yaml:\d+:\d+: upstream_authority\.disk\.certificate: ENOENT: .*…\/root\.pem/),
    ]);
    expect(configPath).toContain(directory);
  });

  test("has to be what it is for: a certificate with another's key is told", async () => {
    const [one, other] = [madeCertificate(), madeCertificate()];
    const tls = { certificate: one.certificate, private_key: other.privateKey };
    expect(await messageOf(configured(() => ({ http: { tls } })).validate())).toContain(
      "no certificate and its private key in PEM",
    );
    const fits = { certificate: one.certificate, private_key: one.privateKey };
    expect(await messageOf(configured(() => ({ http: { tls: fits } })).validate())).toBe("valid");
  });

  test("and a certificate that has ended is refused, though a start would show it", async () => {
    const { validate, directory } = configured((at) => ({
      http: { tls: { certificate: join(at, "tls.crt"), private_key: join(at, "tls.key") } },
    }));
    const [notBefore, notAfter] = [1_700_000_000, 1_700_086_400] as [UnixSeconds, UnixSeconds];
    const { der, privateKey } = leafOf(authority(), { notBefore, notAfter });
    writeFileSync(join(directory, "tls.crt"), pemOf("CERTIFICATE", der));
    writeFileSync(join(directory, "tls.key"), privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
    expect(await messageOf(validate())).toMatch(
      /: http\.tls\.certificate: the certificate is not valid now: it ended at 2023-11-15T22:13:21Z$/,
    );
  });

  test("of an issuer's CAs has to have one: without any, those of Node.js would count", async () => {
    const { validate, directory } = configured((at) => ({
      attestation: {
        listen: "127.0.0.1:0",
        own_svid: true,
        oidc: [{ issuer: "https://issuer.example.org", audience: "stint", roots: join(at, "roots.pem") }],
      },
    }));
    writeFileSync(join(directory, "roots.pem"), "");
    expect(await messageOf(validate())).toMatch(/^attestation\.oidc: .*roots\.pem: no certificate in PEM$/);
  });

  test("and that the broker can do without is warned of", async () => {
    const { warnings } = await configured(() => ({ federation: { web_roots: "/nowhere/roots.pem" } })).validate();
    expect(warnings).toEqual([{ key: "federation.web_roots", message: expect.stringContaining("ENOENT") }]);
  });

  test("and that a standby alone would read is warned of: a broker runs without it", async () => {
    const identity = { certificate: "/nowhere/machine.crt", private_key: "/nowhere/machine.key" };
    const of = { of: "stint-1:8445", attestation: "stint-1:8446", bundle: "/nowhere/bundle.json", identity };
    const { warnings } = await configured(() => ({ standby: of })).validate();
    expect(warnings).toEqual([
      expect.objectContaining({ key: "standby.identity.certificate" }),
      expect.objectContaining({ key: "standby.bundle" }),
    ]);
  });

  test("of a standby's data directory is warned: no broker starts on it", async () => {
    const { validate, data } = configured();
    mkdirSync(data);
    writeFileSync(join(data, "standby.json"), '{"of":"stint-1:8445"}', { mode: 0o600 });
    expect((await validate()).warnings).toMatchObject([
      { key: "data_directory", message: expect.stringContaining("a standby's") },
    ]);
  });

  test.runIf(process.geteuid?.() === 0)("and that is the daemon's alone is not judged as another user", async () => {
    const { data, validate } = configured((at) => ({
      upstream_authority: { disk: { certificate: join(at, "root.pem"), private_key: join(at, "root.key") } },
    }));
    mkdirSync(data);
    chownSync(data, 4_321, 4_321);
    const { warnings } = await validate();
    expect(warnings).toEqual([
      { key: "upstream_authority.disk.certificate", message: expect.stringMatching(/^not looked at: /) },
    ]);
  });
});

test("an entry for a user, a group or an agent that nobody is, is warned of", async () => {
  const program = "unix:path:/opt/flow";
  const { warnings } = await configured(() => ({
    development: true,
    entries: [
      { kind: "runtime", name: "r", selectors: ["unix:user:no-such-user", program], agents: ["a", "b"] },
      { kind: "agent", name: "a", selectors: ["unix:group:no-such-group", "unix:uid:7", program] },
      {
        kind: "verifier",
        name: "v",
        selectors: ["unix:user:root", "unix:group:root", program],
        audiences: ["urn:a:b"],
      },
    ],
  })).validate();
  expect(warnings.filter(({ key }) => key.startsWith("entries"))).toEqual([
    expect.objectContaining({
      key: "entries[0].selectors",
      message: expect.stringMatching(/^nobody matches: \/etc\/passwd has no user of this name; /),
    }),
    expect.objectContaining({
      key: "entries[1].selectors",
      message: expect.stringMatching(/^nobody matches: \/etc\/group has no group of this name; /),
    }),
    { key: "entries[0].agents[1]", message: "no agent of this name is declared or registered" },
  ]);
});

test.for([
  { role: "viewer", warned: true },
  { role: "admin", warned: false },
])("that no admin would be in force is warned of: $warned where the operator is $role", async ({ role, warned }) => {
  const entries = [{ kind: "operator", name: "o", selectors: ["unix:user:root"], role }];
  const { warnings } = await configured(() => ({ entries })).validate();
  expect(warnings.filter(({ message }) => message.startsWith("no admin"))).toHaveLength(warned ? 1 : 0);
});

describe("a ledger", () => {
  test("that is not there yet is no obstacle", async () => {
    expect((await configured().validate()).ledger).toBe("none");
  });

  test("of a newer version is refused, as at a start", async () => {
    const { ledger, validate } = configured();
    mkdirSync(ledger, { recursive: true });
    await inLedger(ledger, async () => undefined);
    expect((await validate()).ledger).toMatchObject({ removed: [] });
    const db = openWriter(driver, join(ledger, "ledger.db"));
    db.exec("INSERT INTO schema_migration SELECT max(number) + 1, 'next.sql', 'x', 1 FROM schema_migration");
    db.close();
    expect(await messageOf(validate())).toBe(
      "ledger migrations: next.sql was applied by a newer version, and this one does not know it: run the newer one, or put back a backup of before the upgrade",
    );
  });

  test("of an older version is not compared, and still of one trust domain", async () => {
    const { ledger, validate, configPath } = configured();
    mkdirSync(ledger, { recursive: true });
    for (const name of ["ledger.db", "ledger.db-wal"]) {
      writeFileSync(join(ledger, name), brotliDecompressSync(readFileSync(new URL(`${name}.br`, SCHEMA_4))));
    }
    expect((await validate()).ledger).toBe("older");
    const flags = { trust_domain: "other.example" };
    expect(await messageOf(validateConfig({ configPath, environment: {}, flags }))).toMatch(
      /^flag trust_domain: trust_domain: expected example\.org, /,
    );
  });

  test.runIf(process.geteuid?.() === 0)("that may not be read is not taken for one that is not there", async () => {
    const { data, ledger, configPath } = configured();
    mkdirSync(ledger, { recursive: true });
    chmodSync(data, 0o700);
    const nobody = { uid: 65_534, gid: 65_534, stdio: "pipe", encoding: "utf8" } as const;
    const run = () => execFileSync(process.execPath, [STINTD, "validate", "--config", configPath], nobody);
    expect(run).toThrow(expect.objectContaining({ status: 1, stderr: expect.stringContaining("ledger.db (EACCES)") }));
  });
});
