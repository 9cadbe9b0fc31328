import { mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { parse } from "yaml";
import { parseEntryContent } from "../../../src/domain/entry-content.ts";
import type { Step } from "../../../src/gen/stint/v1/types_pb.js";
import { authority, x509BundleDocument } from "../../verify/certificate-forge.ts";
import { buildGo, GO_BUILD_MS_MAX, goIsMissing } from "../go-toolchain.ts";
import { sceneThroughNode } from "../node-scene.ts";
import { startTold, type ToldWorkload } from "../told-workload.ts";
import { AGENT, type Scene, startScene } from "../workload-scene.ts";

// Envoy's own API is what the client is made of. Each test is what Envoy does with a listener, a cluster, or a secret that it can't use.

const OWN = "spiffe://example.org";
const OTHER = "spiffe://other.example";
const VERIFIER = `${OWN}/verifier/front`;
const ENVOY = { minor: 34 };
const GUIDE = join(import.meta.dirname, "../../docs/envoy.yaml");

type Shown = { readonly name: string; readonly [member: string]: unknown };
type Answer = { readonly version: string; readonly nonce: string; readonly secrets: readonly Shown[] };

describe.skipIf(goIsMissing("tests with Envoy's API"))("a client of Envoy's secret discovery", () => {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), "stint-sds-")));
  const program = join(directory, "sds");
  let scene: Scene;
  const clients: ToldWorkload[] = [];
  const opened: Step[] = [];

  beforeAll(async () => {
    await buildGo(import.meta.dirname, program);
    const selectors = [`unix:path:${program}`];
    const node = [`unix:path:${realpathSync(process.execPath)}`];
    scene = await startScene({
      entries: [
        { ...AGENT, selectors, federates_with: ["other.example"] },
        { ...AGENT, name: "brief", selectors, x509_svid_ttl: 10 },
        { kind: "runtime", name: "flow", selectors: node, agents: ["worker", "brief"] },
        { kind: "operator", name: "tests", selectors: node, role: "admin" },
      ],
    });
  }, GO_BUILD_MS_MAX);
  afterEach(async () => {
    for (const step of opened.splice(0)) await scene.close(step);
    for (const client of clients.splice(0)) await client[Symbol.asyncDispose]();
  });
  afterAll(async () => {
    await scene?.[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  async function start(at = scene): Promise<ToldWorkload> {
    const client = await startTold([program], at.daemon.workloadSocket);
    clients.push(client);
    return client;
  }

  async function open({ pid }: ToldWorkload, agent = "worker"): Promise<Step> {
    const step = await scene.open({ agent, executor: { executor: { case: "pid", value: pid } } });
    opened.push(step);
    return step;
  }

  async function close(step: Step): Promise<void> {
    opened.splice(opened.indexOf(step), 1);
    await scene.close(step);
  }

  const subscribe = (client: ToldWorkload, stream: string, names: readonly string[], more = {}) =>
    client.tell("subscribe", { stream, names, ...ENVOY, ...more });
  const answer = async (client: ToldWorkload, stream: string) =>
    (await client.event(`secrets-${stream}`)) as unknown as Answer;
  const end = (client: ToldWorkload, stream: string) => client.event(`end-${stream}`);
  const issued = async () => (await scene.operator.history.listIssuances({})).issuances.length;

  test("is given the SVID of its step as default, with the key, and the trust domain's roots as ROOTCA, without any header", async () => {
    const client = await start();
    const step = await open(client);
    await subscribe(client, "svid", ["default"]);
    await subscribe(client, "roots", ["ROOTCA"]);
    expect(await answer(client, "svid")).toMatchObject({
      version: "1",
      nonce: expect.stringMatching(/^[0-9a-f]{16}$/),
      type: "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
      secrets: [{ name: "default", id: step.spiffeId }],
    });
    expect(await answer(client, "roots")).toMatchObject({
      secrets: [{ name: "ROOTCA", validator: "envoy.tls.cert_validator.spiffe", trust_domains: { "example.org": 1 } }],
    });
  });

  test("has the same on a machine without a broker, through a node, with a key that was made there", async () => {
    const there = ["node:name:one"];
    await using away = await sceneThroughNode([
      { ...AGENT, selectors: [...there, `unix:path:${program}`] },
      {
        kind: "runtime",
        name: "flow",
        selectors: [...there, `unix:path:${realpathSync(process.execPath)}`],
        agents: ["worker"],
      },
    ]);
    const client = await startTold([program], away.socket);
    clients.push(client);
    const step = await away.open({ executor: { executor: { case: "pid", value: client.pid } } });
    await subscribe(client, "svid", ["default"]);
    expect(await answer(client, "svid")).toMatchObject({ secrets: [{ name: "default", id: step.spiffeId }] });
    await subscribe(client, "roots", ["ROOTCA"]);
    expect(await answer(client, "roots")).toMatchObject({ secrets: [{ name: "ROOTCA" }] });
    expect(await client.tell("fetch", { names: ["default", "ROOTCA"] })).toMatchObject([
      { name: "ROOTCA" },
      { name: "default", id: step.spiffeId },
    ]);
  });

  test("finds what the guide's listener asks for, and the guide's socket is a cluster that it knows", async () => {
    const client = await start();
    await open(client);
    const [entry] = parse(readFileSync(join(GUIDE, "../envoy-entry.yaml"), "utf8")).entries;
    expect(parseEntryContent(entry)).toMatchObject({ kind: "verifier", name: "front" });
    const { clusters, transport_socket: socket } = parse(readFileSync(GUIDE, "utf8"));
    const names = (await client.tell("names", { config: socket.typed_config })) as readonly string[];
    const secrets = (await client.tell("fetch", { names, ...ENVOY })) as readonly Shown[];
    expect(secrets.map(({ name }) => name).toSorted()).toEqual(names.toSorted());
    expect(JSON.stringify(socket)).toContain(JSON.stringify({ cluster_name: clusters[0].name }));
  });

  test("is issued nothing for bundles alone, which it has without a step too", async () => {
    const client = await start();
    const before = await issued();
    const [secret] = (await client.tell("fetch", { names: ["ROOTCA"] })) as readonly Shown[];
    expect(secret).toEqual({ name: "ROOTCA", roots: 1, crls: 0, leaf_only: false, revoked: [] });
    await subscribe(client, "roots", [OWN]);
    await answer(client, "roots");
    expect(await issued()).toBe(before);
    await expect(client.tell("fetch", { names: ["default"] })).rejects.toMatchObject({ code: "PermissionDenied" });
  });

  test("is given what it names, each under its SPIFFE ID, and all that there is where it names nothing", async () => {
    const client = await start();
    const [one, two] = [await open(client), await open(client)];
    const before = await issued();
    expect(await client.tell("fetch", { names: [two.spiffeId], ...ENVOY })).toMatchObject([
      { name: two.spiffeId, id: two.spiffeId },
    ]);
    expect(await issued()).toBe(before + 1);
    expect(await client.tell("fetch", { names: ["default", one.spiffeId], ...ENVOY })).toMatchObject([
      { name: "default", id: one.spiffeId },
      { name: one.spiffeId, id: one.spiffeId },
    ]);
    const all = (await client.tell("fetch", { names: [], ...ENVOY })) as readonly Shown[];
    expect(all.map(({ name }) => name)).toEqual([OWN, one.spiffeId, two.spiffeId]);
  });

  test.for([
    { what: "what is no name", names: ["default", "letsencrypt"], says: "resource_names[1]: default, ROOTCA, ALL" },
    { what: "an identity that is another's", names: [VERIFIER], says: "resource_names[0]: an identity that" },
    {
      what: "a trust domain that it has no bundle of",
      names: ["spiffe://third.example"],
      says: "resource_names[0]: the",
    },
    {
      what: "all bundles without a validator for them",
      names: ["ALL"],
      minor: 17,
      says: "ALL is for Envoy since 1.18",
    },
    {
      what: "another type",
      names: ["default"],
      type: "type.googleapis.com/a.B",
      says: "type_url: type.googleapis.com/",
    },
  ])("is refused $what, by name", async ({ names, says, ...more }) => {
    const client = await start();
    await open(client);
    const order = { names, ...ENVOY, ...more };
    await expect(client.tell("fetch", order)).rejects.toMatchObject({
      code: "InvalidArgument",
      message: expect.stringContaining(says),
    });
    await subscribe(client, "refused", names, more);
    expect(await end(client, "refused")).toMatchObject({
      code: "InvalidArgument",
      says: expect.stringContaining(says),
    });
  });

  test("is sent the next SVID before the first is over, as the next version", async () => {
    const client = await start();
    await open(client, "brief");
    await subscribe(client, "svid", ["default"]);
    const [first, second] = [await answer(client, "svid"), await answer(client, "svid")];
    expect([first.version, second.version]).toEqual(["1", "2"]);
    expect(second.secrets[0]?.["id"]).toBe(first.secrets[0]?.["id"]);
    expect(second.secrets[0]?.["serial"]).not.toBe(first.secrets[0]?.["serial"]);
  });

  test("loses the SVID of a step that ends: another takes its place as default, and after the last the stream ends", async () => {
    const client = await start();
    const [one, two] = [await open(client), await open(client)];
    await subscribe(client, "both", ["default", one.spiffeId]);
    expect((await answer(client, "both")).secrets).toMatchObject([{ id: one.spiffeId }, { id: one.spiffeId }]);
    await close(one);
    expect((await answer(client, "both")).secrets).toMatchObject([{ name: "default", id: two.spiffeId }]);
    await close(two);
    expect(await end(client, "both")).toMatchObject({ code: "PermissionDenied" });
  });

  test("is sent nothing anew for its acknowledgement, nor for its refusal, and what it names later on the same stream", async () => {
    const client = await start();
    const step = await open(client);
    await subscribe(client, "one", ["default"], { refuse: true });
    const first = await answer(client, "one");
    await client.tell("ask", { stream: "one", names: ["ROOTCA", step.spiffeId] });
    const second = await answer(client, "one");
    expect([first.version, second.version]).toEqual(["1", "2"]);
    // Envoy says who it is in each request, or, if it is told so, in the first alone.
    expect(second.secrets).toMatchObject([
      { name: "ROOTCA", validator: "envoy.tls.cert_validator.spiffe" },
      { name: step.spiffeId },
    ]);
    expect(second.secrets[1]?.["serial"]).toBe(first.secrets[0]?.["serial"]);
    const told = "an SDS client does not take its secrets";
    // What the daemon writes may come after what it answers.
    await expect.poll(() => scene.daemon.log.find(({ msg }) => msg === told)).toMatchObject({ code: 3 });
    expect(scene.daemon.stderr()).not.toContain("the secret's words");
  });

  test("is not heard about an answer that is not the newest", async () => {
    const client = await start();
    await open(client);
    await subscribe(client, "one", ["ROOTCA"]);
    await answer(client, "one");
    await client.tell("ask", { stream: "one", names: ["letsencrypt"], nonce: "0123456789abcdef" }).catch(String);
    await client.tell("ask", { stream: "one", names: [OWN] });
    expect((await answer(client, "one")).secrets).toMatchObject([{ name: OWN }]);
    await client.tell("finish", { stream: "one" });
    expect(await end(client, "one")).toMatchObject({ says: "EOF" });
  });

  test("is sent a foreign bundle that its entry federates with once there is one, and all of them as ALL", async () => {
    const client = await start();
    await subscribe(client, "all", ["ALL"]);
    expect((await answer(client, "all")).secrets).toMatchObject([{ trust_domains: { "example.org": 1 } }]);
    const bundle = Buffer.from(x509BundleDocument(authority()));
    const { federation } = scene.operator;
    const profile = { case: "httpsWeb", value: {} } as const;
    const bundleEndpointUrl = "https://127.0.0.1:9/";
    await federation.create({ trustDomain: "other.example", bundleEndpointUrl, profile, bundle });
    onTestFinished(async () => void (await federation.delete({ trustDomain: "other.example" })));
    expect((await answer(client, "all")).secrets).toMatchObject([
      { trust_domains: { "example.org": 1, "other.example": 1 } },
    ]);
    expect(await client.tell("fetch", { names: [OTHER], ...ENVOY })).toMatchObject([{ name: OTHER }]);
  });

  test("is told that what changes is not served by itself", async () => {
    const client = await start();
    await expect(client.tell("delta")).rejects.toMatchObject({ code: "Unimplemented" });
  });

  test("of a broker that sends CRLs has them beside the roots, and the SVID of a step that ended in them", async () => {
    await using revoking = await startScene({
      entries: [
        { ...AGENT, selectors: [`unix:path:${program}`] },
        { ...AGENT, name: "mine" },
      ],
      environment: { STINT_WORKLOAD_CRL_ON_STREAMS: "true", STINT_WORKERS: "1" },
    });
    const client = await start(revoking);
    await subscribe(client, "roots", ["ROOTCA"]);
    expect((await answer(client, "roots")).secrets).toMatchObject([
      { roots: 1, crls: 1, leaf_only: true, revoked: [] },
    ]);
    const step = await revoking.open({ agent: "mine" });
    const svids = revoking.workload.fetchX509SVID({});
    await svids.next();
    await svids.return?.();
    await revoking.close(step);
    const { issuances } = await revoking.operator.history.listIssuances({});
    const serial = issuances.find(({ stepId }) => stepId === step.stepId)?.serialNumber.replace(/^0+/, "");
    await expect
      .poll(async () => ((await answer(client, "roots")).secrets[0]?.["revoked"] as readonly string[]) ?? [])
      .toContain(serial);
  });
});
