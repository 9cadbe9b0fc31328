import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { authority, x509BundleDocument } from "../../verify/certificate-forge.ts";
import {
  endOfWatchContract,
  fetchingContract,
  foreignWorkload,
  keptContract,
  named,
  svidsOf,
  watchingContract,
} from "../foreign-workload.ts";
import { buildGo, GO_BUILD_MS_MAX, goIsMissing } from "../go-toolchain.ts";
import { startTold, type ToldWorkload } from "../told-workload.ts";
import { AGENT, GRANT, hintOf, PLAIN, RESOURCE, type Scene, startScene } from "../workload-scene.ts";

// go-spiffe is what most workloads use. Each test is what one of them does.

const CODES = { permissionDenied: "PermissionDenied", invalidArgument: "InvalidArgument" };

describe.skipIf(goIsMissing("tests with go-spiffe"))("go-spiffe", () => {
  let directory = "";
  let program = "";
  // Hooks registered first run last: the program ends before its folder goes.
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  const foreign = foreignWorkload(async () => {
    directory = realpathSync(mkdtempSync(join(tmpdir(), "stint-go-")));
    program = join(directory, "workload");
    await buildGo(import.meta.dirname, program);
    return [program];
  }, GO_BUILD_MS_MAX);
  const { another, open, close } = foreign;

  fetchingContract(foreign, CODES);
  watchingContract(foreign);
  endOfWatchContract(foreign, CODES);
  keptContract(foreign, CODES);

  describe("on a machine without a broker, through a node", () => {
    const away = foreignWorkload(async () => [program], GO_BUILD_MS_MAX, "node");
    fetchingContract(away, CODES);
    watchingContract(away);
    endOfWatchContract(away, CODES);
  });

  test("fetches JWT-SVIDs with what they grant, for several audiences, and by a source", async () => {
    const steps = [await open(), await open()] as const;
    expect(await foreign.workload.tell("jwt", { audience: [RESOURCE] })).toMatchObject(
      named(steps).map((svid) => ({ ...svid, claims: { authorization_details: GRANT.elements } })),
    );
    const [, two] = steps;
    expect(await foreign.workload.tell("jwt", { audience: [RESOURCE, PLAIN], spiffe_id: two.spiffeId })).toMatchObject(
      named([two]),
    );
    expect(await foreign.workload.tell("jwt-source", { audience: [PLAIN], spiffe_id: two.spiffeId })).toMatchObject(
      named([two])[0] ?? {},
    );
  });

  test("fetches WIT-SVIDs, verifies them against the bundles, and has the key that they are bound to", async () => {
    const steps = [await open(), await open()] as const;
    expect(await foreign.workload.tell("wit")).toMatchObject(named(steps));
    expect(await foreign.workload.tell("wit", { spiffe_id: steps[1].spiffeId })).toMatchObject(named([steps[1]]));
  });

  test("is told PermissionDenied without a step, and comes back by itself when there is one", async () => {
    const waiting = await another();
    await expect(waiting.tell("x509")).rejects.toMatchObject({ code: "PermissionDenied" });
    await waiting.tell("watch");
    expect(await waiting.event("x509-error")).toMatchObject({ code: "PermissionDenied" });
    const step = await open({ by: waiting });
    expect(svidsOf(await waiting.event("x509"))).toMatchObject(named([step]));
  });

  test("a source that is one step is none of the others: when its step ends, it has nothing", async () => {
    const keeping = await another();
    const [other, own] = [await open({ by: keeping }), await open({ by: keeping })];
    expect(await keeping.tell("keep", { hint: hintOf(own) })).toMatchObject(named([own])[0] ?? {});
    await keeping.tell("watch");
    expect(svidsOf(await keeping.event("x509"))).toHaveLength(2);
    await close(own);
    expect(svidsOf(await keeping.event("x509"))).toMatchObject(named([other]));
    await expect.poll(() => keeping.tell("kept").catch(String)).toMatch(/missing X509-SVID/);
  });

  describe("mutual TLS between two steps", () => {
    test("each knows the other by its step, picked by its hint", async () => {
      const server = await another();
      await open({ by: server });
      const [serving, calling] = [await open({ by: server }), await open()];
      const address = await server.tell("serve", { hint: hintOf(serving), spiffe_id: calling.spiffeId });
      const answer = await foreign.workload.tell("dial", {
        address,
        hint: hintOf(calling),
        spiffe_id: serving.spiffeId,
      });
      expect(answer).toBe(`hello ${calling.spiffeId}\n`);
      expect(await server.event("served")).toMatchObject({ peer: calling.spiffeId });
    });

    test("another step than the one that may connect is refused", async () => {
      const server = await another();
      const [serving, calling, other] = [await open({ by: server }), await open(), await open()];
      const address = await server.tell("serve", { hint: hintOf(serving), spiffe_id: other.spiffeId });
      await expect(
        foreign.workload.tell("dial", { address, hint: hintOf(calling), spiffe_id: serving.spiffeId }),
      ).rejects.toThrow(/certificate/);
      expect(await server.event("refused")).toMatchObject({ why: expect.stringContaining("unexpected ID") });
    });

    test("a client that comes back with a ticket is let in unasked, unless the server gives none", async () => {
      const twice = await another();
      const hint = hintOf(await open({ by: twice }));
      expect(await twice.tell("resume", { hint, tickets: true })).toEqual({ asked: 1, resumed: true });
      expect(await twice.tell("resume", { hint, tickets: false })).toEqual({ asked: 2, resumed: false });
    });
  });

  describe("with other trust domains", () => {
    let federated: Scene;
    let abroad: ToldWorkload;

    beforeAll(async () => {
      federated = await startScene({
        entries: [{ ...AGENT, selectors: [`unix:path:${program}`], federates_with: ["other.example"] }],
        config: { http: { listen: "127.0.0.1:0", own_svid: true } },
      });
      abroad = await startTold([program], federated.daemon.workloadSocket);
    });
    afterAll(async () => {
      await abroad?.[Symbol.asyncDispose]();
      await federated?.[Symbol.asyncDispose]();
    });

    test("fetches the bundle from the https_spiffe endpoint, whose X.509-SVID it verifies by the bundle that it has", async () => {
      const address = `${federated.daemon.httpUrl}/spiffe-bundle.json`;
      expect(await abroad.tell("bundle", { address, spiffe_id: "spiffe://example.org/stint/server" })).toEqual({
        x509: 1,
        jwt: 1,
        sequence: expect.any(Number),
        refresh_hint: 60,
      });
      await expect(abroad.tell("bundle", { address, spiffe_id: "spiffe://example.org/stint/other" })).rejects.toThrow();
    });

    test("is given the foreign bundles of its entry, as long as there is a relationship", async () => {
      const { federation } = federated.operator;
      const bundle = Buffer.from(x509BundleDocument(authority()));
      const endpointSpiffeId = "spiffe://other.example/stint/server";
      await federation.create({
        trustDomain: "other.example",
        bundleEndpointUrl: "https://127.0.0.1:9/",
        profile: { case: "httpsSpiffe", value: { endpointSpiffeId } },
        bundle,
      });
      expect(await abroad.tell("trust-domains")).toEqual(["example.org", "other.example"]);
      await federation.delete({ trustDomain: "other.example" });
      expect(await abroad.tell("trust-domains")).toEqual(["example.org"]);
    });
  });
});
