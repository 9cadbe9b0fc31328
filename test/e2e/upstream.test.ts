import { X509Certificate } from "node:crypto";
import { chmodSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { certificateRequestOf, generateKey } from "../../src/sdk/runtime/certificate-request.ts";
import { type Daemon, startDaemon } from "../daemon.ts";
import { type OpensslAuthority, opensslAuthorities } from "../samples/openssl-authority.ts";
import { pemOf } from "../verify/certificate-forge.ts";
import { OWN_ENTRIES, type Runtime, runtimeAt } from "./one-user.ts";

let ground: ReturnType<typeof opensslAuthorities>;
let root: OpensslAuthority;
let issuing: OpensslAuthority;
let daemon: Daemon;
let runtime: Runtime;

const configured = (certificate: string, privateKey: string) => ({
  upstream_authority: { disk: { certificate, private_key: privateKey } },
});

beforeAll(async () => {
  ground = opensslAuthorities();
  root = ground.make({ name: "company-root" });
  issuing = ground.make({ name: "issuing", issuer: root });
  chmodSync(issuing.keyPath, 0o600);
  const chain = ground.write("chain.pem", issuing.certificate + root.certificate);
  daemon = await startDaemon({ entries: OWN_ENTRIES, config: configured(chain, issuing.keyPath) });
  runtime = runtimeAt(daemon.workloadSocket);
});
afterAll(async () => {
  runtime[Symbol.dispose]();
  await daemon[Symbol.asyncDispose]();
  ground[Symbol.dispose]();
});

async function issued(): Promise<{
  readonly chain: readonly X509Certificate[];
  readonly bundle: readonly X509Certificate[];
}> {
  const { stepId } = await runtime.open();
  const { svid } = await runtime.credentials.issueX509Svid({ stepId, csr: certificateRequestOf(await generateKey()) });
  const parsed = (der: Uint8Array) => new X509Certificate(der);
  return { chain: (svid?.x509Svid ?? []).map(parsed), bundle: (svid?.bundle ?? []).map(parsed) };
}

/** The leaf, and the others, as files. */
async function files() {
  const { chain } = await issued();
  const [leaf, ...others] = chain.map(String);
  return { leaf: ground.write("leaf.pem", leaf ?? ""), others: ground.write("others.pem", others.join("")) };
}

test("an X.509-SVID comes with all between it and the root, its issuer next, and the bundle is the root alone", async () => {
  const { chain, bundle } = await issued();
  expect(chain.map(({ subject }) => subject)).toEqual([
    undefined,
    expect.stringMatching(/^O=example.org\nCN=Stint CA\n/),
    "CN=issuing",
  ]);
  for (const [index, issuer] of chain.slice(1).entries()) {
    expect(chain[index]?.verify(issuer.publicKey)).toBe(true);
  }
  expect(bundle.map(({ subject }) => subject)).toEqual(["CN=company-root"]);
  const { keys } = (await (await fetch(`${daemon.httpUrl}/spiffe-bundle.json`)).json()) as {
    keys: { use: string; x5c?: string[] }[];
  };
  const roots = keys.filter(({ use }) => use === "x509-svid");
  expect(roots.map(({ x5c }) => x5c)).toEqual([[new X509Certificate(root.certificate).raw.toString("base64")]]);
});

test("openssl verifies it under the root", async () => {
  const { leaf, others } = await files();
  const trusted = ["-x509_strict", "-CAfile", root.certificatePath, "-untrusted", others];
  expect(ground.openssl("verify", ...trusted, leaf)).toMatch(/: OK\n$/);
});

test("a verifier that looks at the CRL of every CA needs one of each: ours is of the leaf's issuer alone", async () => {
  const { leaf, others } = await files();
  const der = Buffer.from(await (await fetch(`${daemon.httpUrl}/crl.der`)).arrayBuffer());
  const crl = ground.write("crl.pem", pemOf("X509 CRL", der));
  const trusted = ["-CAfile", root.certificatePath, "-untrusted", others, "-CRLfile", crl];
  expect(ground.openssl("verify", "-crl_check", ...trusted, leaf)).toMatch(/: OK\n$/);
  expect(() => ground.openssl("verify", "-crl_check_all", ...trusted, leaf)).toThrow(/unable to get certificate CRL/);
});

test("a restart finds the authority as it was certified", async () => {
  const before = await issued();
  runtime[Symbol.dispose]();
  await daemon.kill();
  daemon = await daemon.restart();
  runtime = runtimeAt(daemon.workloadSocket);
  const after = await issued();
  expect(after.chain.slice(1).map(String)).toEqual(before.chain.slice(1).map(String));
  expect(after.bundle.map(String)).toEqual(before.bundle.map(String));
});

test("a key that others can read is refused, naming the file", async () => {
  const open = ground.make({ name: "readable" });
  chmodSync(open.keyPath, 0o644);
  await expect(startDaemon({ config: configured(open.certificatePath, open.keyPath) })).rejects.toThrow(
    /readable\.key: has mode 0644, and must have 0600/,
  );
});

test("a chain that verifiers would refuse is refused at the start, saying why and nothing of the key", async () => {
  const alone = ground.write("alone.pem", issuing.certificate);
  const refusal = await startDaemon({ config: configured(alone, issuing.keyPath) }).catch(String);
  expect(refusal).toContain("the upstream authority can't be used: certificate 1 is the last and not self-signed");
  expect(refusal).not.toContain("PRIVATE KEY");
});
