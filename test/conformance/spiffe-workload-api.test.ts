import { createPrivateKey, createPublicKey, type X509Certificate } from "node:crypto";
import { connect } from "node:http2";
import { createConnection } from "node:net";
import { fromBinary } from "@bufbuild/protobuf";
import { Client, credentials, Metadata, status } from "@grpc/grpc-js";
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, type JWK, jwtVerify } from "jose";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import {
  SpiffeWorkloadAPI,
  type X509SVID,
  type X509SVIDResponse,
  X509SVIDResponseSchema,
} from "../../src/gen/spiffe/workload/workload_pb.js";
import type { Step } from "../../src/gen/stint/v1/types_pb.js";
import { callErrorOf } from "../../src/wire/call-error.ts";
import { createClient } from "../../src/wire/client.ts";
import { type ReflectionResponse, reflectionContract } from "../../src/wire/reflection-contract.ts";
import { methodDefinitionOf } from "../../src/wire/service-definition.ts";
import {
  certificatesIn,
  first,
  hintOf,
  next,
  type Opening,
  PLAIN,
  RESOURCE,
  type Scene,
  startScene,
  TRUST_DOMAIN_ID,
} from "./workload-scene.ts";

// Each test is named by the document and section whose MUST, MUST NOT or SHOULD it asserts, at spiffe/spiffe 665a28f.

const refusal = (code: status, reason: string) =>
  expect.objectContaining({ code, reason, info: expect.objectContaining({ domain: "stint" }) });

let scene: Scene;
let opened: Step[] = [];

beforeAll(async () => {
  scene = await startScene();
});
afterEach(async () => {
  for (const step of opened.splice(0)) await scene.close(step);
});
afterAll(async () => {
  await scene[Symbol.asyncDispose]();
});

async function open(more: Opening = {}): Promise<Step> {
  const step = await scene.open(more);
  opened.push(step);
  return step;
}
async function close(step: Step): Promise<void> {
  opened = opened.filter((one) => one !== step);
  await scene.close(step);
}

describe("Workload Endpoint", () => {
  const requests = {
    FetchX509SVID: {},
    FetchX509Bundles: {},
    FetchJWTSVID: { audience: [PLAIN] },
    FetchJWTBundles: {},
    ValidateJWTSVID: { audience: PLAIN, svid: "x" },
    FetchWITSVID: {},
    FetchWITBundles: {},
  };

  /** A call with exactly this metadata. */
  function bareCall(name: string, metadata: Readonly<Record<string, string>>): Promise<unknown> {
    const method = SpiffeWorkloadAPI.methods.find((one) => one.name === name);
    if (method === undefined) throw new TypeError(`no method ${name}`);
    const { path, requestSerialize, responseDeserialize } = methodDefinitionOf(method);
    const client = new Client("", credentials.createInsecure(), { channelOverride: scene.channel });
    const headers = new Metadata();
    for (const [key, value] of Object.entries(metadata)) headers.set(key, value);
    return new Promise((resolve, reject) => {
      const request = requests[name as keyof typeof requests];
      if (method.methodKind === "unary") {
        client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, headers, (error, response) =>
          error === null ? resolve(response) : reject(callErrorOf(error)),
        );
        return;
      }
      const call = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request, headers);
      call.on("data", resolve);
      call.on("error", (error) => reject(callErrorOf(error)));
    });
  }

  test("§3, §6.1: every RPC without the header, or with another value, is InvalidArgument", async () => {
    await open();
    for (const name of Object.keys(requests)) {
      for (const metadata of [{}, { "workload.spiffe.io": "TRUE" }, { "workload.spiffe.io": "false" }]) {
        await expect(bareCall(name, metadata), name).rejects.toEqual(refusal(status.INVALID_ARGUMENT, "INVALID_FIELD"));
      }
    }
  });

  test("§3.1, §5: neither TLS nor any credential of the client's is needed", async () => {
    await open();
    await expect(bareCall("FetchX509SVID", { "workload.spiffe.io": "true" })).resolves.toMatchObject({
      svids: [{ spiffeId: expect.stringMatching(/^spiffe:/) }],
    });
  });

  test("§7, Workload API §2: the service is found by reflection, with no RPC of ours in it", async () => {
    const names = ["FetchX509SVID", "FetchX509Bundles", "FetchJWTSVID", "FetchJWTBundles", "ValidateJWTSVID"];
    expect(SpiffeWorkloadAPI.methods.map(({ name }) => name)).toEqual([...names, "FetchWITSVID", "FetchWITBundles"]);
    expect(SpiffeWorkloadAPI.typeName).toBe("SpiffeWorkloadAPI");
    const reflection = createClient(reflectionContract("v1"), scene.channel) as unknown as {
      serverReflectionInfo(): {
        send(request: object): void;
        cancel(): void;
        responses: AsyncIterator<ReflectionResponse>;
      };
    };
    const call = reflection.serverReflectionInfo();
    const ask = async (messageRequest: object) => {
      call.send({ messageRequest });
      return (await call.responses.next()).value?.messageResponse;
    };
    expect(await ask({ case: "listServices", value: "" })).toMatchObject({
      value: { service: expect.arrayContaining([expect.objectContaining({ name: "SpiffeWorkloadAPI" })]) },
    });
    // With the published file that it imports, so that a client needs no proto of its own.
    const file = await ask({ case: "fileContainingSymbol", value: "SpiffeWorkloadAPI.FetchWITSVID" });
    expect(file).toMatchObject({ value: { fileDescriptorProto: { length: 2 } } });
    call.cancel();
  });

  test("§6.2: a workload without an identity is PermissionDenied, at once and on every RPC that gives one", async () => {
    const { workload } = scene;
    const denied = refusal(status.PERMISSION_DENIED, "NO_IDENTITY");
    await expect(first(workload.fetchX509SVID({}))).rejects.toEqual(denied);
    await expect(workload.fetchJWTSVID({ audience: [PLAIN] })).rejects.toEqual(denied);
    await expect(first(workload.fetchWITSVID({}))).rejects.toEqual(denied);
  });
});

describe("Workload API, streams", () => {
  test("§4.3: the first message comes at once", async () => {
    await open();
    const before = performance.now();
    await first(scene.workload.fetchX509SVID({}));
    // Ten times what it takes; a stream that waits for a change waits for ever.
    expect(performance.now() - before).toBeLessThan(5_000);
  });

  test("§4.3: every message is the whole state; a step that opens is added, and what was there is repeated as it was", async () => {
    const one = await open();
    const stream = scene.workload.fetchX509SVID({});
    const { svids: before } = await next(stream);
    const two = await open();
    const { svids: after } = await next(stream);
    expect(after.map(({ hint }) => hint)).toEqual([hintOf(one), hintOf(two)]);
    expect(after[0]).toEqual(before[0]);
    await stream.return?.();
  });

  test("§4.4: what is absent is redacted: a step that closes is gone from the next message", async () => {
    const [one, two] = [await open(), await open()];
    const stream = scene.workload.fetchX509SVID({});
    expect((await next(stream)).svids).toHaveLength(2);
    await close(one);
    expect((await next(stream)).svids.map(({ hint }) => hint)).toEqual([hintOf(two)]);
    await stream.return?.();
  });

  test.for(["fetchX509SVID", "fetchWITSVID"] as const)(
    "§4.4: when the last step ends, %s ends with PermissionDenied and an ErrorInfo, and no message after it",
    async (rpc) => {
      const step = await open();
      const stream = scene.workload[rpc]({}) as AsyncIterableIterator<object, undefined, void>;
      await next(stream);
      await close(step);
      await expect(stream.next()).rejects.toEqual(refusal(status.PERMISSION_DENIED, "NO_IDENTITY"));
      await expect(stream.next()).resolves.toMatchObject({ done: true });
    },
  );

  test("§4.3: a workload that does not read is sent the newest state, and none of those between", async () => {
    // Together they are more than flow control lets through unread.
    const steps: Step[] = [];
    for (let count = 0; count < 40; count += 1) steps.push(await open());
    const reader = unreadStream(scene.daemon.workloadSocket);
    const closing = steps.splice(0, 20);
    for (const step of closing) await close(step);
    const read: (readonly string[])[] = [];
    for await (const { svids } of reader) {
      read.push(svids.map(({ hint }) => hint));
      if (svids.length === steps.length) break;
    }
    expect(read.at(-1)).toEqual(steps.map(hintOf));
    expect(read.length).toBeLessThan(closing.length / 2);
  });

  test("§4.1, §8: hints are unique within a message and not longer than 1024 bytes; the oldest step is the default identity", async () => {
    const long = "r".repeat(128);
    const steps = [await open({ runId: long, step: "s".repeat(128) }), await open(), await open()];
    const { svids } = await first(scene.workload.fetchX509SVID({}));
    const hints = svids.map(({ hint }) => hint);
    expect(hints).toEqual(steps.map(hintOf));
    expect(new Set(hints).size).toBe(hints.length);
    expect(Math.max(...hints.map((hint) => Buffer.byteLength(hint)))).toBeLessThanOrEqual(1_024);
  });
});

/** A stream of X.509-SVIDs that is opened now and read later; grpc-js would take in whatever comes. */
function unreadStream(socket: string): AsyncIterable<X509SVIDResponse> {
  const session = connect("http://localhost", { createConnection: () => createConnection(socket) });
  const stream = session.request({
    ":method": "POST",
    ":path": "/SpiffeWorkloadAPI/FetchX509SVID",
    "content-type": "application/grpc",
    te: "trailers",
    "workload.spiffe.io": "true",
  });
  // An empty message: not compressed, no bytes.
  stream.end(Buffer.alloc(5));
  async function* messages(): AsyncGenerator<X509SVIDResponse> {
    let bytes = Buffer.alloc(0);
    try {
      for await (const chunk of stream) {
        bytes = Buffer.concat([bytes, chunk as Buffer]);
        while (bytes.length >= 5 && bytes.length >= 5 + bytes.readUInt32BE(1)) {
          const end = 5 + bytes.readUInt32BE(1);
          yield fromBinary(X509SVIDResponseSchema, bytes.subarray(5, end));
          bytes = bytes.subarray(end);
        }
      }
    } finally {
      session.destroy();
    }
  }
  return messages();
}

describe("X.509-SVID profile", () => {
  test("Workload API §5.2: DER chain with the leaf first, PKCS#8 of its key, and the bundle that verifies it", async () => {
    const step = await open();
    const { svids, crl, federatedBundles } = await first(scene.workload.fetchX509SVID({}));
    const [svid] = svids as [X509SVID];
    const chain = certificatesIn(svid.x509Svid);
    const [leaf] = chain as [X509Certificate];
    const key = createPrivateKey({ key: Buffer.from(svid.x509SvidKey), format: "der", type: "pkcs8" });
    expect(chain).toHaveLength(1);
    expect(leaf.checkPrivateKey(key)).toBe(true);
    expect(svid.spiffeId).toBe(step.spiffeId);
    expect(leaf.subjectAltName).toBe(`URI:${step.spiffeId}`);
    expect(certificatesIn(svid.bundle).some((ca) => leaf.verify(ca.publicKey) && leaf.checkIssued(ca))).toBe(true);
    expect(Date.parse(leaf.validTo) / 1_000).toBeLessThan(Number(step.expiresAt?.seconds));
    expect(crl).toEqual([]);
    expect(federatedBundles).toEqual({});
  });

  test("two streams of one workload have keys of their own", async () => {
    await open();
    const keys = await Promise.all([1, 2].map(async () => (await first(scene.workload.fetchX509SVID({}))).svids[0]));
    expect(keys[0]?.x509SvidKey).not.toEqual(keys[1]?.x509SvidKey);
  });

  test("§5.2.2: bundles are for a workload without a step too, keyed by the SPIFFE ID of the trust domain", async () => {
    const { bundles } = await first(scene.workload.fetchX509Bundles({}));
    expect(Object.keys(bundles)).toEqual([TRUST_DOMAIN_ID]);
    const [ca] = certificatesIn(bundles[TRUST_DOMAIN_ID] ?? new Uint8Array());
    expect(ca?.ca).toBe(true);
  });
});

describe("JWT-SVID profile", () => {
  async function tokenFor(audience: readonly string[], spiffeId = ""): Promise<string> {
    const { svids } = await scene.workload.fetchJWTSVID({ audience: [...audience], spiffeId });
    return svids[0]?.svid ?? "";
  }

  test("Workload API §6.2.1: without an audience, or with an empty one, the request is InvalidArgument", async () => {
    await open();
    for (const audience of [[], [""], [PLAIN, ""]]) {
      await expect(scene.workload.fetchJWTSVID({ audience })).rejects.toEqual(
        refusal(status.INVALID_ARGUMENT, "INVALID_FIELD"),
      );
    }
  });

  test("§6.2.1: one JWT-SVID for each identity, oldest first, with its hint; by spiffe_id that one alone", async () => {
    const [one, two] = [await open(), await open()];
    const { svids } = await scene.workload.fetchJWTSVID({ audience: [PLAIN] });
    expect(svids.map(({ spiffeId, hint }) => ({ spiffeId, hint }))).toEqual(
      [one, two].map((step) => ({ spiffeId: step.spiffeId, hint: hintOf(step) })),
    );
    const chosen = await scene.workload.fetchJWTSVID({ audience: [PLAIN], spiffeId: two.spiffeId });
    expect(chosen.svids.map(({ spiffeId }) => spiffeId)).toEqual([two.spiffeId]);
  });

  test("§6.2.1: a SPIFFE ID that is none is InvalidArgument, one that the workload does not have PermissionDenied", async () => {
    await open();
    const fetch = (spiffeId: string) => scene.workload.fetchJWTSVID({ audience: [PLAIN], spiffeId });
    await expect(fetch("https://example.org/x")).rejects.toEqual(refusal(status.INVALID_ARGUMENT, "INVALID_FIELD"));
    await expect(fetch(`${TRUST_DOMAIN_ID}/agent/other`)).rejects.toEqual(
      refusal(status.PERMISSION_DENIED, "NO_IDENTITY"),
    );
  });

  test("JWT-SVID §2, §2.1, §2.3: the header is alg, kid and typ alone, ES256 and JWT", async () => {
    await open();
    expect(decodeProtectedHeader(await tokenFor([RESOURCE]))).toEqual({
      alg: "ES256",
      kid: expect.stringMatching(/^.+$/),
      typ: "JWT",
    });
  });

  test("JWT-SVID §3: sub, aud and exp are there, aud is the one asked for, and the token ends by its step's end", async () => {
    const step = await open();
    const claims = decodeJwt(await tokenFor([RESOURCE]));
    expect(claims).toMatchObject({ sub: step.spiffeId, aud: [RESOURCE], scope: "mcp:tool:search" });
    expect(claims.exp).toBeLessThanOrEqual(Number(step.expiresAt?.seconds));
  });

  test("JWT-SVID §1, §5.1: the serialization is compact", async () => {
    await open();
    expect(await tokenFor([PLAIN])).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/);
  });

  test("an audience is a decision of its own: one that the step was not opened for is refused, by itself and among others", async () => {
    await open();
    const refused = refusal(status.INVALID_ARGUMENT, "AUDIENCE_INVALID");
    await expect(tokenFor(["https://elsewhere.example"])).rejects.toEqual(refused);
    await expect(tokenFor([PLAIN, "https://elsewhere.example"])).rejects.toEqual(refused);
  });

  test("several audiences, where the entry allows them, are in one token that grants nothing", async () => {
    await open();
    const claims = decodeJwt(await tokenFor([RESOURCE, PLAIN]));
    expect(claims.aud).toEqual([RESOURCE, PLAIN]);
    expect(claims).not.toHaveProperty("scope");
    expect(claims).not.toHaveProperty("authorization_details");
  });

  test("§6.2.2: JWT bundles are JWKS with keys for JWT-SVIDs only, which verify what is fetched", async () => {
    await open();
    const { bundles } = await first(scene.workload.fetchJWTBundles({}));
    expect(Object.keys(bundles)).toEqual([TRUST_DOMAIN_ID]);
    const { keys } = JSON.parse(Buffer.from(bundles[TRUST_DOMAIN_ID] ?? []).toString()) as { keys: JWK[] };
    expect(keys.map(({ use }) => use)).toEqual(["jwt-svid"]);
    expect(keys.every(({ kid, d }) => kid !== undefined && d === undefined)).toBe(true);
    const jwks = createLocalJWKSet({ keys: keys.map(({ use: _, ...jwk }) => jwk) });
    await jwtVerify(await tokenFor([PLAIN]), jwks, { audience: PLAIN, algorithms: ["ES256"] });
  });

  test("§6.2.3: ValidateJWTSVID without audience or SVID is InvalidArgument", async () => {
    await open();
    const svid = await tokenFor([PLAIN]);
    for (const request of [
      { audience: "", svid },
      { audience: PLAIN, svid: "" },
    ]) {
      await expect(scene.workload.validateJWTSVID(request)).rejects.toEqual(
        refusal(status.INVALID_ARGUMENT, "INVALID_FIELD"),
      );
    }
  });

  test("§6.2.3: ValidateJWTSVID gives the SPIFFE ID and the claims as they are in the token", async () => {
    const step = await open();
    const svid = await tokenFor([RESOURCE]);
    expect(await scene.workload.validateJWTSVID({ audience: RESOURCE, svid })).toMatchObject({
      spiffeId: step.spiffeId,
      claims: decodeJwt(svid),
    });
  });

  test("§6.3, JWT-SVID §4: it refuses another audience, a changed signature, and what is no JWT-SVID", async () => {
    await open();
    const svid = await tokenFor([PLAIN]);
    const [header = "", payload = "", signature = ""] = svid.split(".");
    const flipped = `${signature.startsWith("A") ? "B" : "A"}${signature.slice(1)}`;
    const none = Buffer.from('{"alg":"none","typ":"JWT","kid":"x"}').toString("base64url");
    const wit = (await first(scene.workload.fetchWITSVID({}))).svids[0]?.witSvid ?? "";
    for (const { request, verification } of [
      { request: { audience: RESOURCE, svid }, verification: "AUDIENCE_MISMATCH" },
      { request: { audience: PLAIN, svid: `${header}.${payload}.${flipped}` }, verification: "SIGNATURE_INVALID" },
      { request: { audience: PLAIN, svid: `${none}.${payload}.` }, verification: expect.any(String) },
      { request: { audience: PLAIN, svid: wit }, verification: "TOKEN_MALFORMED" },
      { request: { audience: PLAIN, svid: "hello" }, verification: "TOKEN_MALFORMED" },
    ]) {
      await expect(scene.workload.validateJWTSVID(request)).rejects.toMatchObject({
        code: status.INVALID_ARGUMENT,
        reason: "INVALID_FIELD",
        metadata: { field: "svid", verification },
      });
    }
  });

  test("stricter than §6.2.3: it refuses a token whose step has ended", async () => {
    const revoked = expect.objectContaining({ metadata: { field: "svid", verification: "REVOKED" } });
    const step = await open();
    const svid = await tokenFor([PLAIN]);
    await close(step);
    await expect(scene.workload.validateJWTSVID({ audience: PLAIN, svid })).rejects.toEqual(revoked);
  });
});

describe("WIT-SVID profile", () => {
  test("Workload API §7.2.1, WIT-SVID §2, §3: kid, typ and alg; sub, exp and cnf.jwk with alg; no aud; the key that proves it", async () => {
    const step = await open();
    const { svids } = await first(scene.workload.fetchWITSVID({}));
    const [svid] = svids;
    if (svid === undefined) throw new Error("no WIT-SVID");
    expect(svid).toMatchObject({ spiffeId: step.spiffeId, hint: hintOf(step) });
    expect(decodeProtectedHeader(svid.witSvid)).toEqual({ alg: "ES256", kid: expect.any(String), typ: "wit+jwt" });
    const claims = decodeJwt(svid.witSvid) as { cnf: { jwk: JWK }; exp: number };
    expect(claims).toMatchObject({ sub: step.spiffeId, exp: expect.any(Number), cnf: { jwk: { alg: "ES256" } } });
    expect(claims).not.toHaveProperty("aud");
    expect(claims).not.toHaveProperty("iss");
    const jwk = JSON.parse(svid.witSvidKey) as JWK & { d: string };
    const key = createPublicKey(createPrivateKey({ key: jwk as never, format: "jwk" })).export({ format: "jwk" });
    expect(claims.cnf.jwk).toMatchObject(key);
  });

  test("§7.2.1: by spiffe_id that one alone", async () => {
    const [, two] = [await open(), await open()];
    const { svids } = await first(scene.workload.fetchWITSVID({ spiffeId: two.spiffeId }));
    expect(svids.map(({ spiffeId }) => spiffeId)).toEqual([two.spiffeId]);
    await expect(first(scene.workload.fetchWITSVID({ spiffeId: "x" }))).rejects.toEqual(
      refusal(status.INVALID_ARGUMENT, "INVALID_FIELD"),
    );
  });

  test("§7.2.2, WIT-SVID §6.1: WIT bundles hold keys for WIT-SVIDs only, of which none has the kid of another's", async () => {
    const { bundles } = await first(scene.workload.fetchWITBundles({}));
    const { keys } = JSON.parse(bundles[TRUST_DOMAIN_ID] ?? "{}") as { keys: JWK[] };
    expect(keys.map(({ use }) => use)).toEqual(["wit-svid"]);
    const jwt = await first(scene.workload.fetchJWTBundles({}));
    const others = JSON.parse(Buffer.from(jwt.bundles[TRUST_DOMAIN_ID] ?? []).toString()) as { keys: JWK[] };
    expect(keys.map(({ kid }) => kid)).not.toContain(others.keys[0]?.kid);
    await open();
    const { svids } = await first(scene.workload.fetchWITSVID({}));
    const jwks = createLocalJWKSet({ keys: keys.map(({ use: _, ...jwk }) => jwk) });
    await jwtVerify(svids[0]?.witSvid ?? "", jwks, { typ: "wit+jwt", algorithms: ["ES256"] });
  });
});
