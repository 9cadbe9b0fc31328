import { once } from "node:events";
import type { RequestListener } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { LIMITS } from "../../../src/domain/limits.ts";
import { jwkOf } from "./loopback-issuer.ts";
import { ecKey, NOW, oidcScene, publishDocuments, publishKeys, refusal, type Scene } from "./oidc-scene.ts";

const METADATA = "/.well-known/openid-configuration";
const key = ecKey("one");

describe("keys are not believed", () => {
  async function refused(scene: Scene, says: string): Promise<void> {
    await expect(scene.attest(scene.token(key))).rejects.toEqual(refusal(says));
  }

  test("where the metadata is of another issuer", async () => {
    const scene = await oidcScene();
    publishDocuments(scene.issuer, { keys: [jwkOf(key)] }, { issuer: "https://issuer.example.org" });
    await refused(scene, "is of another issuer");
    expect(scene.issuer.asked).toEqual([METADATA]);
  });

  test("where the metadata's issuer has a slash more", async () => {
    const scene = await oidcScene();
    publishDocuments(scene.issuer, { keys: [jwkOf(key)] }, { issuer: `${scene.issuer.url}/` });
    await refused(scene, "is of another issuer");
  });

  test.for(["http://localhost:1/keys", "file:///etc/passwd", "/keys", "", undefined, 7])(
    "where they are said to be at %s",
    async (place) => {
      const scene = await oidcScene();
      publishDocuments(scene.issuer, { keys: [jwkOf(key)] }, { jwks_uri: place });
      await refused(scene, "are not at an https URL");
      expect(scene.issuer.asked).toEqual([METADATA]);
    },
  );

  test.for([301, 302, 303, 307, 308])("behind a redirect with %s", async (status) => {
    const scene = await oidcScene();
    const good = await oidcScene();
    publishDocuments(good.issuer, { keys: [jwkOf(key)] }, { issuer: scene.issuer.url });
    scene.issuer.answerBy((_, response) => {
      response.writeHead(status, { location: `${good.issuer.url}${METADATA}` }).end();
    });
    await refused(scene, `answered ${status}`);
    expect(good.issuer.asked).toEqual([]);
  });

  test.for<{ what: string; body: string; says: string }>([
    { what: "no JSON", body: "<html>", says: "is not a JSON object" },
    { what: "a list", body: "[]", says: "is not a JSON object" },
    { what: "the keys twice", body: '{"keys":[],"keys":[]}', says: "is not a JSON object" },
    { what: "no set of keys", body: '{"keys":{}}', says: "are no JSON Web Key Set" },
  ])("in a document that is $what", async ({ body, says }) => {
    const scene = await oidcScene();
    answerKeysBy(scene, (_, response) => response.end(body));
    await refused(scene, says);
  });

  test("in a document that has no end", async () => {
    const scene = await oidcScene();
    const cutOff = Promise.withResolvers<void>();
    answerKeysBy(scene, (_, response) => {
      response.on("close", cutOff.resolve);
      const more = () => response.write(" ".repeat(64 * 1_024), more);
      more();
    });
    await refused(scene, `is larger than ${LIMITS.issuerDocumentBytesMax} bytes`);
    await cutOff.promise;
  });

  test("in a document that a small answer unfolds into", async () => {
    const scene = await oidcScene();
    answerKeysBy(scene, (_, response) => response.writeHead(200, { "content-encoding": "gzip" }).end("x"));
    await refused(scene, "compresses its answer");
  });

  test("in a document that breaks off", async () => {
    const scene = await oidcScene();
    answerKeysBy(scene, (_, response) => {
      response.writeHead(200, { "content-length": 100 }).write("{", () => response.destroy());
    });
    await refused(scene, "broke off its answer");
  });

  test("where the host's certificate is of another CA", async () => {
    const scene = await oidcScene({ roots: undefined as unknown as string });
    publishKeys(scene, key);
    await refused(scene, "can't be had");
    expect(scene.issuer.asked).toEqual([]);
  });
});

/** Good metadata, and whatever the test answers for the keys. */
function answerKeysBy({ issuer }: Scene, answer: RequestListener): void {
  const metadata = JSON.stringify({ issuer: issuer.url, jwks_uri: `${issuer.url}/keys` });
  issuer.answerBy((request, response) => {
    if (request.url === METADATA) response.end(metadata);
    else answer(request, response);
  });
}

describe("an issuer is asked", () => {
  const FETCH = [METADATA, "/keys"];

  test("when the first of its tokens comes, and once for all that come meanwhile", async () => {
    const scene = await oidcScene();
    publishKeys(scene, key);
    expect(scene.issuer.asked).toEqual([]);
    await Promise.all(Array.from({ length: 10 }, () => scene.attest(scene.token(key))));
    expect(scene.issuer.asked).toEqual(FETCH);
    await scene.attest(scene.token(key));
    expect(scene.issuer.asked).toEqual(FETCH);
    expect(scene.clock.pending()).toBe(0);
  });

  test("at most every 30 seconds for keys that nobody knows", async () => {
    const scene = await oidcScene();
    publishKeys(scene, key);
    await scene.attest(scene.token(key));
    const unknown = () =>
      expect(scene.attest(scene.token(ecKey("unknown")))).rejects.toEqual(refusal("no applicable key"));
    await unknown();
    scene.clock.advance(LIMITS.issuerKeysRenewedMs - 1);
    await unknown();
    expect(scene.issuer.asked).toEqual(FETCH);
    scene.clock.advance(1);
    await Promise.all([unknown(), unknown(), unknown()]);
    await unknown();
    expect(scene.issuer.asked).toEqual([...FETCH, ...FETCH]);
  });

  test("for keys that nobody knows in vain, without those that are known being forgotten", async () => {
    const scene = await oidcScene();
    publishKeys(scene, key);
    await scene.attest(scene.token(key));
    scene.issuer.answerBy((_, response) => response.writeHead(503).end());
    scene.clock.advance(LIMITS.issuerKeysRenewedMs);
    await expect(scene.attest(scene.token(ecKey("unknown")))).rejects.toEqual(refusal("answered 503"));
    await scene.attest(scene.token(key));
  });

  test("for no longer than five seconds", async () => {
    const scene = await oidcScene();
    const asked = Promise.withResolvers<void>();
    scene.issuer.answerBy((_, response) => {
      // Something, so that there is an answer which does not end.
      response.write("{");
      asked.resolve();
    });
    const attested = scene.attest(scene.token(key));
    await asked.promise;
    scene.clock.advance(LIMITS.issuerFetchMs);
    await expect(attested).rejects.toEqual(refusal("did not answer within 5000 ms"));
    expect(scene.clock.pending()).toBe(0);
  });

  test("at the place that its own path leads to, whether or not a slash ends it", async () => {
    for (const path of ["/realms/one", "/realms/one/"]) {
      const place = await oidcScene();
      const url = `${place.issuer.url}${path}`;
      place.issuer.publish({
        [`/realms/one${METADATA}`]: { issuer: url, jwks_uri: `${place.issuer.url}/keys` },
        "/keys": { keys: [jwkOf(key)] },
      });
      const scene = await oidcScene({ issuer: url });
      expect((await scene.attest(scene.token(key))).selectors).toContain(`oidc:iss:${url}`);
    }
  });

  test("in plain HTTP on this machine where it is configured so, and there for its keys too", async () => {
    const server = createServer((request, response) => {
      const { port } = server.address() as AddressInfo;
      const issuer = `http://127.0.0.1:${port}`;
      const isMetadata = request.url === METADATA;
      response.end(JSON.stringify(isMetadata ? { issuer, jwks_uri: `${issuer}/keys` } : { keys: [jwkOf(key)] }));
    }).listen(0, "127.0.0.1");
    onTestFinished(() => void server.close());
    await once(server, "listening");
    const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const scene = await oidcScene({ issuer });
    expect((await scene.attest(scene.token(key, { claims: { exp: NOW + 60 } }))).selectors).toContain(
      `oidc:iss:${issuer}`,
    );
  });
});
