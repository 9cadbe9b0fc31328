import { createHash, X509Certificate } from "node:crypto";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import type { AttestationEvidence } from "../../src/sdk/runtime/attestation-options.ts";
import { attestedRuntimeSvid } from "../../src/sdk/runtime/attested-svid.ts";
import { createStint } from "../../src/sdk/runtime/index.ts";
import type { TlsIdentity } from "../../src/wire/channel.ts";
import { eventually } from "../adapters/attestor-unix/peer-processes.ts";
import { type Daemon, startDaemon } from "../daemon.ts";
import { type OpensslAuthority, opensslAuthorities } from "../samples/openssl-authority.ts";
import { manualTime } from "../sdk/runtime/manual-time.ts";
import { READ_SEARCH, SEARCH } from "./entries.ts";
import { type OidcIssuer, startOidcIssuer } from "./oidc-issuer.ts";
import { type Operator, operatorOf } from "./operator.ts";

const AUDIENCE = "https://broker.example.org";
const SUBJECT = "repo:acme/agents:ref:refs/heads/main";
const selectors = [`unix:uid:${process.getuid?.()}`];

let issuer: OidcIssuer;
let openssl: ReturnType<typeof opensslAuthorities>;
let authority: OpensslAuthority;
let device: OpensslAuthority;
let caFile: string;
let daemon: Daemon;
let operator: Operator;

beforeAll(async () => {
  issuer = await startOidcIssuer();
  openssl = opensslAuthorities();
  authority = openssl.make({ name: "devices" });
  const extensions = ["keyUsage=critical,digitalSignature", "extendedKeyUsage=clientAuth"];
  device = openssl.make({ name: "device-7", issuer: authority, extensions });
  const ca = createHash("sha256").update(new X509Certificate(authority.certificate).raw).digest("hex");
  caFile = openssl.write("ca.pem", authority.certificate);
  const agents = ["researcher"];
  const runtimes = [
    { name: "ci", selectors: [`oidc:iss:${issuer.url}`, `oidc:sub:${SUBJECT}`] },
    { name: "device", selectors: [`x509pop:ca:${ca}`, "x509pop:subject:cn:device-7"] },
  ].map((one) => ({ kind: "runtime", agents, ...one }));
  daemon = await startDaemon({
    entries: [
      { kind: "agent", name: "researcher", selectors, ceiling: [READ_SEARCH], allow_any_executor: true },
      ...runtimes,
    ],
    config: {
      broker: {
        listen: "127.0.0.1:0",
        callers: runtimes.map(({ name }) => ({
          spiffe_id: `spiffe://example.org/runtime/${name}`,
          references: [{ type: "stint.v1.WorkflowStepReference", allow_over_tcp: true }],
        })),
      },
      attestation: {
        listen: "127.0.0.1:0",
        own_svid: true,
        oidc: [{ issuer: issuer.url, audience: AUDIENCE }],
        x509pop: { ca: caFile },
      },
    },
  });
  operator = operatorOf(daemon.operatorSocket);
});

afterAll(async () => {
  operator[Symbol.dispose]();
  await daemon[Symbol.asyncDispose]();
  openssl[Symbol.dispose]();
  issuer.close();
});

const brokerEndpoint = () => `tcp://127.0.0.1:${daemon.brokerPort}`;

async function optionsFor(evidence: AttestationEvidence) {
  const port = Number(daemon.log.find(({ msg }) => msg === "serving")?.["attestationPort"]);
  const bundle = await (await fetch(`${daemon.httpUrl}/spiffe-bundle.json`)).text();
  return { address: `127.0.0.1:${port}`, trust: { trustDomain: "example.org", bundle }, evidence };
}

const EVIDENCE = {
  oidc: (): AttestationEvidence => ({ oidc: () => issuer.token({ sub: SUBJECT }, AUDIENCE) }),
  x509pop: (): AttestationEvidence => ({
    x509pop: { certificateChain: device.certificate, privateKey: device.key },
  }),
};

test.for(["oidc", "x509pop"] as const)("a runtime with %s opens, uses and closes a step from afar", async (kind) => {
  const attestation = await optionsFor(EVIDENCE[kind]());
  using stint = createStint({ brokerEndpoint: brokerEndpoint(), attestation, agent: "researcher" });
  const options = { runId: kind, step: "look-up", grant: [READ_SEARCH] as never, executor: "any" } as const;
  const { spiffeId } = await stint.withStep(options, (step) => step.jwtSvid(SEARCH));
  expect(spiffeId).toBe(`spiffe://example.org/agent/researcher/run/${kind}/step/look-up/1`);
});

test.for(["oidc", "x509pop"] as const)("a runtime with %s attests anew before its SVID ends", async (kind) => {
  const time = manualTime();
  const svid = attestedRuntimeSvid(await optionsFor(EVIDENCE[kind]()), brokerEndpoint(), time);
  onTestFinished(svid.close);
  const first = await svid.current();
  const changed = new Promise<TlsIdentity>((resolve) => svid.onChange(resolve));
  (await time.paused()).end();
  expect((await changed).privateKey).not.toBe(first.privateKey);
  expect(daemon.log.filter(({ method }) => method === "Renewals.Renew")).toEqual([]);
});

test("a token is good once, and one for another audience never", async () => {
  const token = await issuer.token({ sub: SUBJECT }, AUDIENCE);
  const attested = async (value: string) => {
    const svid = attestedRuntimeSvid(await optionsFor({ oidc: () => value }), brokerEndpoint());
    onTestFinished(svid.close);
    return svid.current();
  };
  await attested(token);
  const refused = { reason: "NO_IDENTITY", message: "the evidence is not accepted" };
  await expect(attested(token)).rejects.toMatchObject(refused);
  await expect(attested(await issuer.token({ sub: SUBJECT }, "https://other.example.org"))).rejects.toMatchObject(
    refused,
  );
  const { decisions } = await operator.history.listDecisions({ filter: { pageSize: 2 } });
  expect(decisions.map(({ reason }) => reason)).toEqual(["NO_IDENTITY", "NO_IDENTITY"]);
  const { events } = await operator.history.listEvents({ filter: { pageSize: 100 } });
  expect(events.map(({ type }) => type)).toContain("evidence.spent");
  expect(daemon.stderr()).not.toContain(token.split(".")[2]);
});

test("a CA that was taken out of the file vouches for nobody from the next hangup on, and again once it is back", async () => {
  const refused = { reason: "NO_IDENTITY", message: "the evidence is not accepted" };
  const attested = async () => {
    const svid = attestedRuntimeSvid(await optionsFor(EVIDENCE.x509pop()), brokerEndpoint());
    onTestFinished(svid.close);
    return svid.current();
  };
  const reloadWith = async ({ certificate }: OpensslAuthority) => {
    openssl.write("ca.pem", certificate);
    const before = daemon.log.length;
    daemon.child.kill("SIGHUP");
    await eventually(() => daemon.log.slice(before).map(({ msg }) => msg)).toContain("reloaded");
  };
  await attested();
  await reloadWith(openssl.make({ name: "others" }));
  await expect(attested()).rejects.toMatchObject(refused);
  await reloadWith(authority);
  await attested();
});

test("a broker whose CA file is not there does not start, and says which", async () => {
  const attestation = { listen: "127.0.0.1:0", own_svid: true, x509pop: { ca: "/nowhere/ca.pem" } };
  await expect(startDaemon({ config: { attestation } })).rejects.toThrow(/can't be read: \/nowhere\/ca\.pem/);
});
