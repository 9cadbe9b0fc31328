import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { opaDecision } from "../../../src/adapters/policy-opa/opa-decision.ts";
import { listening, shown, webAuthority, webCertificateFor } from "../../adapters/bundle-endpoint/endpoint-scene.ts";
import { deniedFor, opaAt, silent, TIMEOUT_MS } from "../../adapters/policy-opa/opa-scene.ts";
import { freePort } from "../../free-port.ts";
import { requestOf } from "../../samples/policy-request.ts";
import { pemOf } from "../../verify/certificate-forge.ts";
import { BASELINE_REGO, buildOpa, OPA_BUILD_MS_MAX, type OpaServer, opaIsMissing, startOpa } from "./opa-server.ts";

const PROBES = join(import.meta.dirname, "probes.rego");
const ALLOWED = { effect: "allow", policies: ["baseline.ceiling"] };

const isSilent = (detail: string) => expect.objectContaining(silent(detail));

async function started(...given: readonly string[]): Promise<OpaServer> {
  const opa = await startOpa(...given);
  onTestFinished(() => opa[Symbol.asyncDispose]());
  return opa;
}

/** A server of the test that holds each answer back, and the answers. */
async function holding() {
  const held: ServerResponse[] = [];
  const first = Promise.withResolvers<void>();
  const server = createServer((_, response) => {
    held.push(response);
    first.resolve();
  });
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${await listening(server)}`, held, isAsked: first.promise };
}

function directoryWith(files: Readonly<Record<string, string>>): string {
  const directory = mkdtempSync(join(tmpdir(), "stint-opa-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), content, { mode: 0o600 });
  return directory;
}

/** Has the baseline as a bundle, which nobody gets before it is served. */
async function bundleServer() {
  const { url, held, isAsked } = await holding();
  const file = join(directoryWith({}), "bundle.tar.gz");
  execFileSync("tar", ["-czf", file, "-C", dirname(BASELINE_REGO), "baseline.rego"]);
  const settings = [`services.site.url=${url}`, "bundles.site.service=site", "bundles.site.resource=bundle.tar.gz"];
  return {
    flags: settings.map((one) => `--set=${one}`),
    isAsked,
    serve: () => held[0]?.end(readFileSync(file)),
  };
}

describe.skipIf(opaIsMissing())("a real OPA", () => {
  let server: OpaServer;
  const at = (path = "stint/decision") => opaAt(`http://127.0.0.1:${server.port}`, { path });

  beforeAll(async () => {
    await buildOpa();
    // As its users run it: with a log of decisions, and with answers compressed for whoever takes that.
    const flags = ["--set=decision_logs.console=true", "--set=server.encoding.gzip.min_length=1"];
    server = await startOpa(BASELINE_REGO, PROBES, ...flags);
  }, OPA_BUILD_MS_MAX);
  afterAll(() => server?.[Symbol.asyncDispose]());

  test("decides by the baseline, on connections that are used again", async () => {
    const { opa, faults } = at();
    const high = requestOf({ risk: { domain: "low", agent: "high", run: "low" } });
    const denied = { effect: "deny", policies: ["baseline.high-risk"] };
    for (let times = 0; times < 3; times += 1) {
      expect(await opa.evaluate(requestOf())).toEqual({ whole: ALLOWED, elements: [ALLOWED] });
      expect(await opa.evaluate(high)).toEqual({ whole: denied, elements: [denied] });
    }
    expect(faults).toEqual([]);
  });

  test.for([
    { what: "a path at which nothing is", path: "nothing/here", reason: "undefined" },
    { what: "a rule that is undefined for this request", path: "probes/sometimes", reason: "undefined" },
    { what: "half a decision", path: "probes/half", reason: "malformed" },
    { what: "a package instead of a rule", path: "stint", reason: "malformed" },
    { what: "rules that contradict each other", path: "probes/conflict", reason: "eval_conflict_error" },
    { what: "a built-in function that fails", path: "probes/hidden", reason: "eval_builtin_error" },
  ])("denies by $what, and says so", async ({ path, reason }) => {
    const { opa, faults } = at(path);
    expect(await opa.evaluate(requestOf())).toEqual(deniedFor(reason));
    expect(faults).toEqual([expect.stringContaining(reason)]);
  });

  test("hides a built-in function that fails behind a default, unless it is asked as we ask", async () => {
    const ask = async (query: string) => {
      const url = `http://127.0.0.1:${server.port}/v1/data/probes/hidden${query}`;
      const answer = await fetch(url, { method: "POST", body: JSON.stringify({ input: { agent: "researcher" } }) });
      return opaDecision({ status: answer.status, body: Buffer.from(await answer.arrayBuffer()) }, 1);
    };
    for (const query of ["", "?strict-builtin-errors=1"]) {
      expect(await ask(query)).toMatchObject({ whole: { effect: "allow" } });
    }
    expect(await ask("?strict-builtin-errors=true")).toMatchObject({ reason: "eval_builtin_error" });
  });

  test("warns where the question is not in input, and decides all the same: the warning denies", async () => {
    const url = `http://127.0.0.1:${server.port}/v1/data/probes/allow`;
    const answer = await fetch(url, { method: "POST", body: JSON.stringify(requestOf()) });
    expect(answer.status).toBe(200);
    expect(opaDecision({ status: 200, body: Buffer.from(await answer.arrayBuffer()) }, 1)).toMatchObject({
      reason: "warning",
      detail: "OPA warns: api_usage_warning",
    });
  });

  test("that is busy with a policy for too long has not answered, and answers others", async () => {
    const slow = await holding();
    const own = await started(
      PROBES,
      `${directoryWith({ "data.json": JSON.stringify({ asked: slow.url }) })}/data.json`,
    );
    const { opa, clock } = opaAt(`http://127.0.0.1:${own.port}`, { path: "probes/asking" });
    const refused = expect(opa.evaluate(requestOf())).rejects.toEqual(isSilent("no answer within"));
    await slow.isAsked;
    clock.advance(TIMEOUT_MS);
    await refused;
    const other = opaAt(`http://127.0.0.1:${own.port}`, { path: "probes/everything" });
    expect(await other.opa.evaluate(requestOf())).toMatchObject({ whole: { effect: "allow" } });
  });

  test("that waits for its bundle denies, and decides once it has it", async () => {
    const bundles = await bundleServer();
    const own = await started(...bundles.flags);
    await bundles.isAsked;
    const { opa } = opaAt(`http://127.0.0.1:${own.port}`);
    expect(await opa.evaluate(requestOf())).toEqual(deniedFor("undefined"));
    bundles.serve();
    await expect.poll(() => opa.evaluate(requestOf()), { timeout: 20_000 }).toMatchObject({ whole: ALLOWED });
  });

  test("that is to be ready before it listens does not answer until it has its bundle", async () => {
    const bundles = await bundleServer();
    const port = await freePort();
    const starting = started(...bundles.flags, `--addr=127.0.0.1:${port}`, "--ready-timeout=60");
    await bundles.isAsked;
    const { opa } = opaAt(`http://127.0.0.1:${port}`);
    await expect(opa.evaluate(requestOf())).rejects.toEqual(isSilent("ECONNREFUSED"));
    bundles.serve();
    await starting;
    expect(await opa.evaluate(requestOf())).toMatchObject({ whole: ALLOWED });
  });

  test("that has gone does not answer, and decides again once it is back", async () => {
    const first = await startOpa(BASELINE_REGO);
    const { opa } = opaAt(`http://127.0.0.1:${first.port}`);
    expect(await opa.evaluate(requestOf())).toMatchObject({ whole: ALLOWED });
    await first[Symbol.asyncDispose]();
    await expect(opa.evaluate(requestOf())).rejects.toEqual(isSilent("ECONN"));
    await started(BASELINE_REGO, `--addr=127.0.0.1:${first.port}`);
    expect(await opa.evaluate(requestOf())).toMatchObject({ whole: ALLOWED });
  });

  test("that goes without a word in the middle of a question has not answered", async () => {
    const slow = await holding();
    const own = await started(
      PROBES,
      `${directoryWith({ "data.json": JSON.stringify({ asked: slow.url }) })}/data.json`,
    );
    const { opa } = opaAt(`http://127.0.0.1:${own.port}`, { path: "probes/asking" });
    const refused = expect(opa.evaluate(requestOf())).rejects.toEqual(isSilent(""));
    await slow.isAsked;
    own.process.kill("SIGKILL");
    await once(own.process, "exit");
    await refused;
  });

  test("takes the token, and denies where it is asked without", async () => {
    const authz = 'package system.authz\n\ndefault allow := false\n\nallow if input.identity == "right"\n';
    const directory = directoryWith({ "authz.rego": authz });
    const flags = ["--authentication=token", "--authorization=basic"];
    const own = await started(BASELINE_REGO, join(directory, "authz.rego"), ...flags);
    const url = `http://127.0.0.1:${own.port}`;
    const asked = (token?: string) =>
      opaAt(url, { fixed: token === undefined ? {} : { token } }).opa.evaluate(requestOf());
    expect(await asked("right")).toMatchObject({ whole: ALLOWED });
    expect(await asked("wrong")).toEqual(deniedFor("unauthorized"));
    expect(await asked()).toEqual(deniedFor("unauthorized"));
  });

  test("and the broker recognise each other over TLS", async () => {
    const ca = pemOf("CERTIFICATE", webAuthority.der);
    const pair = (host: string) => {
      const { cert, key } = shown(webCertificateFor(host), webAuthority);
      return { certificate: String(cert), privateKey: String(key) };
    };
    const own = pair("localhost");
    const directory = directoryWith({ "ca.pem": ca, "tls.crt": own.certificate, "tls.key": own.privateKey });
    const file = (name: string) => join(directory, name);
    const tls = [`--tls-cert-file=${file("tls.crt")}`, `--tls-private-key-file=${file("tls.key")}`];
    const server = await started(BASELINE_REGO, ...tls, "--authentication=tls", `--tls-ca-cert-file=${file("ca.pem")}`);
    const url = `https://localhost:${server.port}`;
    const known = opaAt(url, { fixed: { ca, client: pair("broker.example") } });
    expect(await known.opa.evaluate(requestOf())).toMatchObject({ whole: ALLOWED });
    await expect(opaAt(url, { fixed: { ca } }).opa.evaluate(requestOf())).rejects.toEqual(isSilent(""));
    await expect(opaAt(url).opa.evaluate(requestOf())).rejects.toEqual(isSilent("CERT"));
  });
});
