import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, createServer, type Server } from "node:tls";
import { promisify } from "node:util";
import { describe, expect, onTestFinished, test } from "vitest";
import type { CrlKeeper } from "../../src/authority/crl.ts";
import type { Authority } from "../../src/domain/authority.ts";
import type { Step } from "../../src/domain/step.ts";
import { addSeconds, secondsOf, type UnixSeconds } from "../../src/domain/time.ts";
import { type CrlScene, crlScene, type IssuedX509, pemOf } from "../authority/crl-scene.ts";
import { present } from "../contract/ledger-world.ts";

const run = promisify(execFile);
/** A cold compiler, on a machine that has other things to do. */
const COMPILED_MS_MAX = 120_000;

/** A step with its X.509-SVID, another that stays open, and files of all that a foreign verifier has to be given. */
type Setting = {
  readonly scene: CrlScene;
  readonly crls: CrlKeeper;
  readonly authority: Authority;
  readonly step: Step;
  readonly svid: IssuedX509;
  readonly other: IssuedX509;
  readonly ca: string;
  crl(): string;
  file(name: string, text: string): string;
  close(): Promise<void>;
};

async function setting(): Promise<Setting> {
  const now = Math.floor(Date.now() / 1_000) as UnixSeconds;
  const scene = await crlScene(now);
  const directory = mkdtempSync(join(tmpdir(), "stint-crl-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const authority = await scene.addAuthority();
  const crls = await scene.keep();
  const agent = await scene.world.agent();
  const step = await scene.world.open(agent, { expiresAt: addSeconds(now, 900) });
  const other = await scene.world.open(agent);
  return {
    scene,
    crls,
    authority,
    step,
    svid: await scene.issue(step, authority, 800),
    other: await scene.issue(other, authority, 200),
    ca: pemOf("CERTIFICATE", present(authority.certificate)),
    crl: () => pemOf("X509 CRL", present(crls.current()[0]).der),
    file(name, text) {
      const path = join(directory, name);
      writeFileSync(path, text);
      return path;
    },
    async close() {
      await scene.world.close(step);
      await scene.notifier.caughtUp();
      scene.clock.advance(250);
      await expect.poll(() => scene.clock.pending()).toBe(1);
    },
  };
}

/** Exit status and all that was said. */
function openssl(...args: readonly string[]): { readonly isGood: boolean; readonly text: string } {
  try {
    return { isGood: true, text: execFileSync("openssl", args, { encoding: "utf8", stdio: "pipe" }) };
  } catch (thrown) {
    const { stdout, stderr } = thrown as { readonly stdout: string; readonly stderr: string };
    return { isGood: false, text: stdout + stderr };
  }
}

describe("openssl", () => {
  function verify(given: Setting, leaf: IssuedX509, at?: UnixSeconds): ReturnType<typeof openssl> {
    const [ca, crl, chain] = [
      given.file("ca.pem", given.ca),
      given.file("crl.pem", given.crl()),
      given.file("leaf.pem", leaf.chain),
    ];
    const instant = at === undefined ? [] : ["-attime", String(at)];
    return openssl("verify", ...instant, "-x509_strict", "-crl_check_all", "-CAfile", ca, "-CRLfile", crl, chain);
  }

  test("takes an X.509-SVID while its step is open, and says error 23 once it is closed", async () => {
    const given = await setting();
    expect(verify(given, given.svid)).toMatchObject({ isGood: true });
    await given.close();
    const refused = verify(given, given.svid);
    expect(refused.isGood).toBe(false);
    expect(refused.text).toContain("error 23 at 0 depth lookup: certificate revoked");
    expect(verify(given, given.other)).toMatchObject({ isGood: true });
  });

  test("does not take the CRL of another generation of the CA for this one's", async () => {
    const given = await setting();
    const second = await given.scene.addAuthority();
    await given.close();
    const crl = given.crls.current().find((one) => one.authorityId === second.authorityId);
    const refused = verify({ ...given, crl: () => pemOf("X509 CRL", present(crl).der) }, given.svid);
    expect(refused.text).toContain("error 3 at 0 depth lookup: unable to get certificate CRL");
  });

  test("takes a CRL for ten minutes, and refuses everything by it afterwards", async () => {
    const given = await setting();
    const published = secondsOf(given.scene.clock.now());
    expect(verify(given, given.svid, addSeconds(published, 599)).isGood).toBe(true);
    expect(verify(given, given.svid, addSeconds(published, 601)).text).toContain("CRL has expired");
  });

  test("reads in it what RFC 5280 section 5 asks for", async () => {
    const given = await setting();
    await given.close();
    const text = openssl("crl", "-noout", "-text", "-in", given.file("crl.pem", given.crl())).text;
    const subject = openssl("x509", "-noout", "-subject", "-in", given.file("ca.pem", given.ca)).text;
    expect(text).toContain("Version 2 (0x1)");
    expect(text).toContain(`Issuer: ${subject.trim().replace(/^subject=/, "")}`);
    expect(text.match(/Signature Algorithm: ecdsa-with-SHA256/g)).toHaveLength(2);
    expect(text).toMatch(/X509v3 Authority Key Identifier: *\n +(keyid:)?[0-9A-F:]{59}/);
    expect(text).toMatch(/X509v3 CRL Number: *\n +\S+/);
    expect(text.replaceAll(":", "").toLowerCase()).toContain(`serial number ${given.svid.serialNumber}`);
    expect(text).toMatch(/X509v3 CRL Reason Code: *\n +Cessation Of Operation/);
    expect(text).not.toContain("critical");
  });
});

describe("a TLS server of Node.js with the `crl` option", () => {
  async function serving(given: Setting): Promise<Server> {
    const server = createServer(
      {
        cert: given.other.chain,
        key: given.other.key,
        ca: given.ca,
        crl: given.crl(),
        requestCert: true,
        rejectUnauthorized: true,
        minVersion: "TLSv1.3",
      },
      (socket) => socket.end("welcome"),
    );
    server.on("tlsClientError", () => undefined);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => new Promise((resolve) => void server.close(() => resolve())));
    return server;
  }

  function greeting(server: Server, given: Setting, { chain, key }: IssuedX509): Promise<string> {
    return new Promise((resolve) => {
      const { port } = server.address() as AddressInfo;
      const checkServerIdentity = (): undefined => undefined;
      const socket = connect({ host: "127.0.0.1", port, ca: given.ca, cert: chain, key, checkServerIdentity });
      let text = "";
      socket.on("data", (chunk) => {
        text += String(chunk);
      });
      socket.on("error", () => undefined);
      socket.on("close", () => resolve(text));
    });
  }

  test("takes a client while its step is open, and refuses it by the next CRL it is given, and no other", async () => {
    const given = await setting();
    const server = await serving(given);
    expect(await greeting(server, given, given.svid)).toBe("welcome");
    await given.close();
    server.setSecureContext({ cert: given.other.chain, key: given.other.key, ca: given.ca, crl: given.crl() });
    expect(await greeting(server, given, given.svid)).toBe("");
    expect(await greeting(server, given, given.other)).toBe("welcome");
  });
});

/** Why a program can't be run here; said once on standard error. */
function missing(program: string, ...args: readonly string[]): boolean {
  try {
    execFileSync(program, args, { stdio: "pipe" });
    return false;
  } catch {
    process.stderr.write(`tests with CRLs in ${program} are skipped: ${program} is not there\n`);
    return true;
  }
}

const FOREIGN = [
  {
    what: "Go's x509",
    isMissing: missing("go", "version"),
    command: ["go", "run", join(import.meta.dirname, "revocation/check_crl.go")],
    revoked: "revoked 5",
  },
  {
    what: "Java's PKIX validation",
    isMissing: missing("java", "--version"),
    command: ["java", join(import.meta.dirname, "revocation/CheckCrl.java")],
    revoked: "REVOKED",
  },
];

describe.for(FOREIGN)("$what", ({ isMissing, command, revoked }) => {
  test.skipIf(isMissing)(
    "finds an X.509-SVID on the CRL once its step is closed, and not before",
    { timeout: COMPILED_MS_MAX },
    async () => {
      const given = await setting();
      const [program = "", ...args] = command;
      const judge = async (): Promise<string> => {
        const files = [
          given.file("leaf.pem", given.svid.chain),
          given.file("ca.pem", given.ca),
          given.file("crl.pem", given.crl()),
        ];
        return (await run(program, [...args, ...files], { env: { ...process.env, GO111MODULE: "off" } })).stdout.trim();
      };
      expect(await judge()).toBe("good");
      await given.close();
      expect(await judge()).toBe(revoked);
    },
  );
});
