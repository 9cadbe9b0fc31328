import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, createServer } from "node:tls";
import { expect, onTestFinished, test } from "vitest";
import type { UnixSeconds } from "../../src/domain/time.ts";
import { SvidKind } from "../../src/gen/stint/v1/types_pb.js";
import { certificateRequestOf, generateKey } from "../../src/sdk/runtime/certificate-request.ts";
import { eventually } from "../adapters/attestor-unix/peer-processes.ts";
import { type Daemon, startDaemon } from "../daemon.ts";
import { authority, type Forged, nameOf, pemOf } from "../verify/certificate-forge.ts";
import { OWN_ENTRIES, runtimeAt } from "./one-user.ts";
import { type Operator, operatorOf } from "./operator.ts";

const NOW = Math.floor(Date.now() / 1_000);

/** A root of this name, which ends in so many hours. */
function rootOf(name: string, hours: number): Forged {
  const [notBefore, notAfter] = [NOW - 3_600, NOW + hours * 3_600] as [UnixSeconds, UnixSeconds];
  return authority({ subject: nameOf(name), notBefore, notAfter });
}

const keyOf = ({ privateKey }: Forged) => privateKey.export({ type: "pkcs8", format: "pem" }).toString();
const certificateOf = ({ der }: Forged) => pemOf("CERTIFICATE", der);

/** Where an upstream CA is read from, and how another takes its place: file by file. */
type Form = {
  readonly settings: (at: string) => Readonly<Record<string, string>>;
  readonly put: (at: string, certificate: Forged, key: Forged) => void;
};

function replace(path: string, content: string | Buffer): void {
  writeFileSync(`${path}.new`, content, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

const PEM: Form = {
  settings: (at) => ({ certificate: join(at, "ca.pem"), private_key: join(at, "ca.key") }),
  put(at, certificate, key) {
    replace(join(at, "ca.key"), keyOf(key));
    replace(join(at, "ca.pem"), certificateOf(certificate));
  },
};

/** Each file with a passphrase of its own, so that one of both does not fit. */
const PKCS12: Form = {
  settings: (at) => ({ certificate: join(at, "ca.p12"), passphrase_file: join(at, "passphrase") }),
  put(at, certificate, key) {
    const [pem, passphrase] = [join(at, "made.pem"), new X509Certificate(certificate.der).fingerprint];
    writeFileSync(pem, keyOf(certificate) + certificateOf(certificate));
    const args = ["pkcs12", "-export", "-in", pem, "-passout", `pass:${passphrase}`];
    replace(join(at, "ca.p12"), execFileSync("openssl", args));
    replace(join(at, "passphrase"), `${new X509Certificate(key.der).fingerprint}\n`);
  },
};

type Issued = { readonly chain: string; readonly key: string; readonly bundle: readonly string[] };

async function issued({ workloadSocket }: Daemon): Promise<Issued> {
  using runtime = runtimeAt(workloadSocket);
  const { stepId } = await runtime.open();
  const keys = await generateKey();
  const { svid } = await runtime.credentials.issueX509Svid({ stepId, csr: certificateRequestOf(keys) });
  const pemsOf = (ders: readonly Uint8Array[] = []) => ders.map((der) => pemOf("CERTIFICATE", der));
  return {
    chain: pemsOf(svid?.x509Svid).join(""),
    key: keys.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    bundle: pemsOf(svid?.bundle),
  };
}

/** Whether a client that trusts a bundle accepts a server that shows an SVID, by a handshake of both. */
async function isAccepted({ chain, key }: Issued, bundle: readonly string[]): Promise<boolean> {
  const server = createServer({ cert: chain, key }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const client = connect({ host: "127.0.0.1", port, ca: [...bundle], checkServerIdentity: () => undefined });
  try {
    await once(client, "secureConnect");
    return client.authorized;
  } catch (thrown) {
    expect((thrown as Error).message).toMatch(/certificate/);
    return false;
  } finally {
    client.destroy();
    server.close();
  }
}

const subjectsOf = (bundle: readonly string[]) => bundle.map((pem) => new X509Certificate(pem).subject);
const says = ({ log }: Daemon) => log.map(({ msg, setting }) => `${msg} ${setting}`).join("\n");

async function preparedBy({ authorities }: Operator): Promise<string> {
  const all = await authorities.list({});
  return all.authorities.findLast(({ kind }) => kind === SvidKind.X509)?.authorityId ?? "";
}

test.for([
  { form: "PEM", ...PEM, unfit: "the private key is not that of the first certificate" },
  { form: "PKCS #12 with a passphrase file", ...PKCS12, unfit: "the password is not that of the file" },
])(
  "an upstream CA in $form is renewed while the daemon runs: one that does not fit changes nothing, another root's is published before it counts, and what was certified before stays valid",
  { timeout: 90_000 },
  async ({ settings, put, unfit }) => {
    const at = mkdtempSync(join(tmpdir(), "stint-upstream-"));
    onTestFinished(() => rmSync(at, { recursive: true }));
    const [first, stranger, next] = [rootOf("first", 6), rootOf("stranger", 99), rootOf("next", 99)];
    put(at, first, first);
    const daemon = await startDaemon({
      entries: OWN_ENTRIES,
      // The next key is due long before the first CA ends, as soon as it would live longer.
      config: { upstream_authority: { disk: settings(at) }, authority: { propagation: "12h" } },
    });
    onTestFinished(() => daemon[Symbol.asyncDispose]());
    using operator = operatorOf(daemon.operatorSocket);
    const before = await issued(daemon);
    expect(subjectsOf(before.bundle)).toEqual(["CN=first"]);
    const signing = await preparedBy(operator);

    put(at, next, stranger);
    await eventually(() => says(daemon)).toContain(unfit);
    expect(says(daemon)).toContain("upstream_authority.disk: the files can't be used, what was read before stays");
    expect(await preparedBy(operator)).toBe(signing);

    put(at, next, next);
    await eventually(() => says(daemon)).toContain("files renewed upstream_authority.disk");
    // At once, and not with the next look of the rotation.
    await eventually(() => preparedBy(operator)).not.toBe(signing);
    const between = await issued(daemon);
    expect(subjectsOf(between.bundle)).toEqual(["CN=first", "CN=next"]);
    expect(await isAccepted(between, before.bundle)).toBe(true);

    await operator.authorities.activate({ authorityId: await preparedBy(operator), now: true });
    const after = await issued(daemon);
    expect(await isAccepted(after, before.bundle)).toBe(false);
    for (const svid of [before, between, after]) expect(await isAccepted(svid, between.bundle)).toBe(true);
    expect(await daemon.stop()).toBe(0);
  },
);
