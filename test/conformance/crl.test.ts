import { execFile, execFileSync } from "node:child_process";
import { constants, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, createServer, type Server, type TlsOptions } from "node:tls";
import { promisify } from "node:util";
import { describe, expect, onTestFinished, test } from "vitest";
import type { CrlKeeper } from "../../src/authority/crl.ts";
import type { Authority } from "../../src/domain/authority.ts";
import type { Step } from "../../src/domain/step.ts";
import { addSeconds, secondsOf, type UnixSeconds } from "../../src/domain/time.ts";
import { type CrlScene, crlScene, type IssuedX509, pemOf } from "../authority/crl-scene.ts";
import { present } from "../contract/ledger-world.ts";
import { KEPT_BUILDS } from "../kept-builds.ts";

const run = promisify(execFile);
/** A cold compiler, on a machine that has other things to do. */
const COMPILED_MS_MAX = 300_000;

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
  /** Lets the CRLs be made that are due after a change. */
  publish(): Promise<void>;
};

const TICKET_KEYS_BYTES = 48;
/** How long a CRL is in force. */
const CRL_SECONDS = 600;

/** @param agoSeconds - before when everything was issued and published; it still is as it was then. */
async function setting(agoSeconds = 0): Promise<Setting> {
  const now = addSeconds(Math.floor(Date.now() / 1_000) as UnixSeconds, -agoSeconds);
  const scene = await crlScene(now);
  const directory = mkdtempSync(join(tmpdir(), "stint-crl-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const authority = await scene.addAuthority();
  const crls = await scene.keep();
  const agent = await scene.world.agent();
  const step = await scene.world.open(agent, { expiresAt: addSeconds(now, 900 + agoSeconds) });
  const other = await scene.world.open(agent, { expiresAt: addSeconds(now, 900 + agoSeconds) });
  const publish = async (): Promise<void> => {
    scene.clock.advance(250);
    await expect.poll(() => scene.clock.pending()).toBe(1);
  };
  return {
    scene,
    crls,
    authority,
    step,
    svid: await scene.issue(step, authority, 800 + agoSeconds),
    other: await scene.issue(other, authority, 200 + agoSeconds),
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
      await publish();
    },
    publish,
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
  async function serving(given: Setting, more: TlsOptions = {}): Promise<Server> {
    const server = createServer(
      {
        cert: given.other.chain,
        key: given.other.key,
        ca: given.ca,
        crl: given.crl(),
        requestCert: true,
        rejectUnauthorized: true,
        minVersion: "TLSv1.3",
        ...more,
      },
      (socket) => socket.end("welcome"),
    );
    server.on("tlsClientError", () => undefined);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => new Promise((resolve) => void server.close(() => resolve())));
    return server;
  }

  function greeting(
    server: Server,
    given: Pick<Setting, "ca">,
    { chain, key }: IssuedX509,
    resumption: { readonly session?: Buffer; readonly keep?: (session: Buffer) => void } = {},
  ): Promise<string> {
    return new Promise((resolve) => {
      const { port } = server.address() as AddressInfo;
      const { session, keep } = resumption;
      const own = {
        host: "127.0.0.1",
        port,
        ca: given.ca,
        cert: chain,
        key,
        ...(session !== undefined && { session }),
      };
      const socket = connect({ ...own, checkServerIdentity: (): undefined => undefined });
      if (keep !== undefined) socket.on("session", keep);
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

  test("refuses everybody by a CRL that is out of date", async () => {
    const given = await setting(CRL_SECONDS + 60);
    expect(await greeting(await serving(given), given, given.svid)).toBe("");
  });

  test("wants an array with the CRL of each CA: of several in one text it reads the first alone", async () => {
    const given = await setting();
    const second = await given.scene.addAuthority();
    await given.publish();
    expect(given.crls.current()).toHaveLength(2);
    const svids = [given.svid, await given.scene.issue(given.step, second, 800)];
    const ca = `${given.ca}${pemOf("CERTIFICATE", present(second.certificate))}`;
    const crls = [given.authority, second].map(({ authorityId }) => {
      const crl = given.crls.current().find((one) => one.authorityId === authorityId);
      return pemOf("X509 CRL", present(crl).der);
    });
    const greetings = async (crl: string | string[]): Promise<readonly string[]> => {
      const server = await serving(given, { ca, crl });
      return Promise.all(svids.map((svid) => greeting(server, { ca }, svid)));
    };
    expect(await greetings(crls)).toEqual(["welcome", "welcome"]);
    expect(await greetings(crls.join(""))).toEqual(["welcome", ""]);
  });

  // Without `ticketKeys` a new context ends all sessions; with them, as several processes behind one name have them, it does not.
  test.for([
    { what: "lets in by a ticket whom the CRL has by now, if it gives tickets", secureOptions: 0, after: "welcome" },
    {
      what: "refuses by the CRL who comes back, if it gives no tickets",
      secureOptions: constants.SSL_OP_NO_TICKET,
      after: "",
    },
  ])("$what", async ({ secureOptions, after }) => {
    const given = await setting();
    const kept = { secureOptions, ticketKeys: randomBytes(TICKET_KEYS_BYTES) };
    const server = await serving(given, kept);
    let session: Buffer | undefined;
    const keep = (one: Buffer): void => {
      session = one;
    };
    expect(await greeting(server, given, given.svid, { keep })).toBe("welcome");
    await given.close();
    expect(session).toBeInstanceOf(Buffer);
    const { chain: cert, key } = given.other;
    server.setSecureContext({ cert, key, ca: given.ca, crl: given.crl(), minVersion: "TLSv1.3", ...kept });
    expect(await greeting(server, given, given.svid, { ...(session !== undefined && { session }) })).toBe(after);
    expect(await greeting(server, given, given.svid)).toBe("");
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

/** Java's `com.sun.security.crl.clockskew`, of which its guide says nothing. */
const JAVA_LATE_SECONDS = 900;

const CARGO_RUN = [
  ...["cargo", "run", "--quiet", "--locked", "--target-dir", join(KEPT_BUILDS, "rust")],
  ...["--manifest-path", join(import.meta.dirname, "revocation/rust/Cargo.toml")],
];

const FOREIGN = [
  {
    what: "Go's x509",
    isMissing: missing("go", "version"),
    command: ["go", "run", join(import.meta.dirname, "revocation/check_crl.go")],
    revoked: "revoked 5",
    // Its user has to look at NextUpdate.
    outdated: ["good", "good"],
  },
  {
    what: "Java's PKIX validation",
    isMissing: missing("java", "--version"),
    command: ["java", join(import.meta.dirname, "revocation/CheckCrl.java")],
    revoked: "REVOKED",
    outdated: ["good", "UNDETERMINED_REVOCATION_STATUS"],
  },
  {
    what: "Rust's webpki",
    isMissing: missing("cargo", "--version"),
    command: [...CARGO_RUN, "--"],
    revoked: "CertRevoked",
    outdated: ["good", "good"],
  },
];

/** What a foreign verifier makes of a certificate, by a CA and a CRL. */
async function judgment(given: Setting, command: readonly string[], ...more: readonly string[]): Promise<string> {
  const [program = "", ...args] = command;
  const files = [
    given.file("leaf.pem", given.svid.chain),
    given.file("ca.pem", given.ca),
    given.file("crl.pem", given.crl()),
  ];
  return (
    await run(program, [...args, ...files, ...more], { env: { ...process.env, GO111MODULE: "off" } })
  ).stdout.trim();
}

describe.for(FOREIGN)("$what", ({ isMissing, command, revoked, outdated }) => {
  test.skipIf(isMissing)(
    "finds an X.509-SVID on the CRL once its step is closed, and not before",
    { timeout: COMPILED_MS_MAX },
    async () => {
      const given = await setting();
      const judge = () => judgment(given, command);
      expect(await judge()).toBe("good");
      await given.close();
      expect(await judge()).toBe(revoked);
    },
  );

  test.skipIf(isMissing)(
    "goes on by a CRL that is out of date for as long as the guide says",
    { timeout: COMPILED_MS_MAX },
    async () => {
      const judged: string[] = [];
      for (const late of [JAVA_LATE_SECONDS - 120, JAVA_LATE_SECONDS + 120]) {
        judged.push(await judgment(await setting(CRL_SECONDS + late), command));
      }
      expect(judged).toEqual(outdated);
    },
  );
});

test.skipIf(missing("cargo", "--version"))(
  "Rust's webpki, told to look at it, refuses by a CRL that is out of date",
  { timeout: COMPILED_MS_MAX },
  async () => {
    const program = [...CARGO_RUN, "--"];
    expect(await judgment(await setting(CRL_SECONDS + 60), program, "enforce")).toMatch(/^CrlExpired/);
    expect(await judgment(await setting(), program, "enforce")).toBe("good");
  },
);
