import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { get as plainGet } from "node:http";
import { get as tlsGet } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { createRemoteJWKSet, customFetch, jwtVerify } from "jose";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { SpiffeWorkloadAPI } from "../../src/gen/spiffe/workload/workload_pb.js";
import { certificateRequestOf, generateKey } from "../../src/sdk/runtime/certificate-request.ts";
import { createClient } from "../../src/wire/client.ts";
import { madeCertificate } from "../api/http/http-peers.ts";
import { type Client, post } from "../api/http/introspection-scene.ts";
import { pemOf } from "../authority/crl-scene.ts";
import { present } from "../contract/ledger-world.ts";
import { type Daemon, startDaemon } from "../daemon.ts";
import { SEARCH } from "../e2e/entries.ts";
import { OWN_ENTRIES, type Runtime, runtimeAt } from "../e2e/one-user.ts";
import { operatorOf } from "../e2e/operator.ts";
import { freePort } from "../free-port.ts";
import { pythonIsMissing, pythonWithPackages } from "./python/python-environment.ts";

// What verifiers without our SDK do, against a daemon as it is: keys by JWKS, revocation by CRL, and by asking.

const run = promisify(execFile);
const INSTALL_MS_MAX = 300_000;

type Live = {
  readonly daemon: Daemon;
  readonly runtime: Runtime;
  readonly issuer: string;
  /** PEM of the listener's certificate, and its file. */
  readonly serverCa: string;
  readonly serverCaFile: string;
  /** Writes a file that goes with the test. */
  file(name: string, text: string): string;
};

/** A daemon that serves HTTPS, and the process that runs the tests as its runtime, agent and verifier. */
async function live(tls?: object): Promise<Live> {
  const port = await freePort();
  const issuer = `https://127.0.0.1:${port}`;
  const { certificate, privateKey, pem } = madeCertificate();
  const http = { listen: `127.0.0.1:${port}`, ...(tls ?? { tls: { certificate, private_key: privateKey } }) };
  const daemon = await startDaemon({ entries: OWN_ENTRIES, config: { issuer, http } });
  onTestFinished(() => daemon[Symbol.asyncDispose]());
  const runtime = runtimeAt(daemon.workloadSocket);
  onTestFinished(() => runtime[Symbol.dispose]());
  return {
    daemon,
    runtime,
    issuer,
    serverCa: pem,
    serverCaFile: certificate,
    file(name, text) {
      const path = join(daemon.directory, name);
      writeFileSync(path, text);
      return path;
    },
  };
}

function fetched(url: string, ca?: string): Promise<{ readonly status: number; readonly body: Buffer }> {
  return new Promise((resolve, reject) => {
    const checkServerIdentity = (): undefined => undefined;
    const get = url.startsWith("https:") ? tlsGet : plainGet;
    get(url, { agent: false, ...(ca !== undefined && { ca, checkServerIdentity }) }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) }));
    }).on("error", reject);
  });
}

/** The X.509-SVID of the verifier's entry that a stock SPIFFE client would be given. */
async function verifierOf({ runtime }: Live, hint = "verifier/mcp-1"): Promise<Client> {
  const workload = createClient(SpiffeWorkloadAPI, runtime.channel);
  for await (const { svids } of workload.fetchX509SVID({})) {
    const svid = svids.find((one) => one.hint === hint);
    if (svid === undefined) break;
    return { cert: pemOf("CERTIFICATE", svid.x509Svid), key: pemOf("PRIVATE KEY", svid.x509SvidKey) };
  }
  throw new TypeError(`no SVID with the hint ${hint}`);
}

/** The CA of the daemon's trust domain, PEM. */
async function trustedBy({ issuer, serverCa }: Pick<Live, "issuer" | "serverCa">): Promise<string> {
  const { body } = await fetched(`${issuer}/spiffe-bundle.json`, serverCa);
  const { keys } = JSON.parse(body.toString()) as { keys: { use: string; x5c?: string[] }[] };
  const x509 = present(keys.find(({ use }) => use === "x509-svid"));
  return pemOf("CERTIFICATE", Buffer.from(x509.x5c?.[0] ?? "", "base64"));
}

test("jose, told where the keys are, verifies a token of the daemon, and none of another's", async () => {
  const given = await live();
  const options = { issuer: given.issuer, audience: SEARCH, algorithms: ["ES256"] };
  const keys = createRemoteJWKSet(new URL(`${given.issuer}/jwks.json`), {
    [customFetch]: async (url) => {
      const { status, body } = await fetched(url, given.serverCa);
      return new Response(Uint8Array.from(body), { status });
    },
  });
  const step = await given.runtime.open();
  const { payload } = await jwtVerify(step.token, keys, options);
  expect(payload).toMatchObject({ sub: step.spiffeId, step_id: step.stepId });
  const other = await live();
  await expect(jwtVerify((await other.runtime.open()).token, keys, options)).rejects.toThrow();
});

test("openssl, given the daemon's CRL, refuses an X.509-SVID soon after its step was closed, and not before", async () => {
  const given = await live();
  const { runtime, issuer, serverCa } = given;
  const step = await runtime.open();
  const csr = certificateRequestOf(await generateKey());
  const { svid } = await runtime.credentials.issueX509Svid({ stepId: step.stepId, csr });
  const leaf = given.file("leaf.pem", pemOf("CERTIFICATE", present(svid?.x509Svid[0])));
  const ca = given.file("ca.pem", await trustedBy(given));
  const verify = async (): Promise<string> => {
    const crl = given.file("crl.pem", pemOf("X509 CRL", (await fetched(`${issuer}/crl.der`, serverCa)).body));
    const args = ["verify", "-x509_strict", "-crl_check", "-CAfile", ca, "-CRLfile", crl, leaf];
    return run("openssl", args).then(
      ({ stdout }) => stdout,
      ({ stderr }: { stderr: string }) => stderr,
    );
  };
  expect(await verify()).toMatch(/: OK$/m);
  await runtime.close(step);
  await expect.poll(verify, { timeout: 10_000, interval: 50 }).toContain("error 23 at 0 depth lookup");
});

test("a verifier without a feed asks, with its X.509-SVID, and a close is in the next answer", async () => {
  const given = await live();
  const client = await verifierOf(given);
  const scene = { url: given.issuer, serverCa: given.serverCa };
  const step = await given.runtime.open();
  const told = JSON.parse((await post(scene, client, step.token)).body);
  expect(told).toMatchObject({ active: true, sub: step.spiffeId, aud: [SEARCH], iss: given.issuer });
  const elsewhere = await verifierOf(given, "verifier/mcp-2");
  expect((await post(scene, elsewhere, step.token)).body).toBe('{"active":false}');
  await given.runtime.close(step);
  expect((await post(scene, client, step.token)).body).toBe('{"active":false}');
  expect((await post(scene, undefined, step.token)).status).toBe(401);
  expect((await post(scene, await verifierOf(given, "runtime/flow"), step.token)).status).toBe(403);
  using operator = operatorOf(given.daemon.operatorSocket);
  await operator.entries.disable({ entry: "verifier/mcp-1" });
  expect((await post(scene, client, step.token)).status).toBe(401);
  // Of all this the log says nothing that could be used.
  for (const secret of [step.token.split(".")[2], client.key.split("\n")[1]]) {
    expect(given.daemon.stderr()).not.toContain(secret);
  }
});

test("a daemon may serve with its own X.509-SVID: whoever has the bundle knows it by its SPIFFE ID", async () => {
  const given = await live({ own_svid: true });
  const bundle = join(mkdtempSync(join(tmpdir(), "stint-bundle-")), "ca.pem");
  onTestFinished(() => rmSync(join(bundle, ".."), { recursive: true }));
  const workload = createClient(SpiffeWorkloadAPI, given.runtime.channel);
  for await (const { bundles } of workload.fetchX509Bundles({})) {
    writeFileSync(bundle, pemOf("CERTIFICATE", present(Object.values(bundles)[0])));
    break;
  }
  const { host } = new URL(given.issuer);
  const args = ["s_client", "-connect", host, "-CAfile", bundle, "-verify_return_error", "-brief"];
  const child = spawn("openssl", args, { stdio: ["pipe", "pipe", "pipe"] });
  child.stdin.end();
  let said = "";
  child.stderr.on("data", (chunk) => {
    said += String(chunk);
  });
  await once(child, "close");
  expect(said).toContain("Verification: OK");
  const { stdout } = await run("sh", [
    "-c",
    `openssl s_client -connect ${host} </dev/null 2>/dev/null | openssl x509 -noout -ext subjectAltName`,
  ]);
  expect(stdout).toContain("URI:spiffe://example.org/stint/server");
});

describe.skipIf(pythonIsMissing() !== undefined)("in Python", () => {
  let python: string;

  beforeAll(async () => {
    python = await pythonWithPackages();
  }, INSTALL_MS_MAX);

  /** One line in, one line of JSON out. */
  function started(program: string, args: readonly string[]): (line: string) => Promise<unknown> {
    const child = spawn(python, ["-B", join(import.meta.dirname, "python", program), ...args]);
    onTestFinished(async () => {
      if (child.exitCode !== null) return;
      child.stdin.end();
      await once(child, "exit");
    });
    let complaints = "";
    child.stderr.on("data", (chunk) => {
      complaints += String(chunk);
    });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    return async (line) => {
      child.stdin.write(`${line}\n`);
      const { value, done } = await lines.next();
      if (done === true) throw new Error(`${program} ended: ${complaints}`);
      return JSON.parse(value) as unknown;
    };
  }

  test("PyJWT, told the daemon's URL and its own audience alone, verifies a token of it", async () => {
    const given = await live();
    const verify = started("verify_tokens.py", [given.issuer, SEARCH, given.serverCaFile]);
    const step = await given.runtime.open();
    expect(await verify(step.token)).toMatchObject({ claims: { sub: step.spiffeId, iss: given.issuer } });
  });

  test("urllib with a client certificate is told of a token, and of its end at once", async () => {
    const given = await live();
    const { cert, key } = await verifierOf(given);
    const files = [given.file("svid.pem", cert), given.file("svid.key", key), given.serverCaFile];
    const introspect = started("introspect_tokens.py", [given.issuer, ...files]);
    const step = await given.runtime.open();
    expect(await introspect(step.token)).toMatchObject({ active: true, sub: step.spiffeId, token_type: "Bearer" });
    await given.runtime.close(step);
    expect(await introspect(step.token)).toEqual({ active: false });
    const runtime = await verifierOf(given, "runtime/flow");
    const others = [given.file("other.pem", runtime.cert), given.file("other.key", runtime.key), given.serverCaFile];
    expect(await started("introspect_tokens.py", [given.issuer, ...others])(step.token)).toMatchObject({ status: 403 });
  });
});
