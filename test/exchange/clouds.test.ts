import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createRemoteJWKSet } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ExchangeState, Standing } from "../../src/gen/stint/v1/types_pb.js";
import { awsSts, googleCloud, tokenCheck } from "./cloud-stand-ins.ts";
import { AUDIENCE, type ExchangeScene, openExchangeScene } from "./exchange-scene.ts";
import { type LoopbackHttps, loopbackHttps } from "./loopback-https.ts";

const ROLE = "arn:aws:iam::123456789012:role/steps-of-researcher";
const PROVIDER = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/stint/providers/broker";
const ACCOUNT = "steps-of-researcher@project.iam.gserviceaccount.com";
const HALF_AN_HOUR = { expiresAt: { seconds: BigInt(Math.floor(Date.now() / 1_000) + 1_800) } };

describe("secrets that nobody can end", () => {
  let aws: LoopbackHttps;
  let google: LoopbackHttps;
  let scene: ExchangeScene;

  beforeAll(async () => {
    [aws, google] = [await loopbackHttps(), await loopbackHttps()];
    scene = await openExchangeScene((directory) => {
      const [awsCa, googleCa] = [join(directory, "aws.pem"), join(directory, "google.pem")];
      writeFileSync(awsCa, aws.ca);
      writeFileSync(googleCa, google.ca);
      const ofAws = { kind: "aws-sts", audience: AUDIENCE, url: aws.url, ca: awsCa };
      const ofGoogle = { kind: "gcp-federation", audience: AUDIENCE, sts_url: google.url, credentials_url: google.url };
      return {
        exchanges: [
          { name: "aws", ...ofAws, role_arn: "arn:aws:iam::123456789012:role/steps-of-{agent}" },
          { name: "aws-unknown", ...ofAws, role_arn: "arn:aws:iam::123456789012:role/admin" },
          { name: "aws-by-another", ...ofAws, role_arn: ROLE, ca: googleCa },
          {
            ...{ name: "google", ...ofGoogle, ca: googleCa, provider: PROVIDER },
            service_account: "steps-of-{agent}@project.iam.gserviceaccount.com",
          },
        ],
      };
    });
    const keys = createRemoteJWKSet(new URL(`${scene.daemon().httpUrl}/jwks.json`));
    const check = tokenCheck("https://broker.example.org", () => keys);
    const subject = /^spiffe:\/\/example\.org\/agent\/researcher\/run\//;
    aws.answerBy(awsSts({ roleArn: ROLE, audience: AUDIENCE, subject, check }));
    google.answerBy(googleCloud({ provider: PROVIDER, audience: AUDIENCE, serviceAccount: ACCOUNT, check }));
  });
  afterAll(async () => {
    await scene?.[Symbol.asyncDispose]();
    await aws?.close();
    await google?.close();
  });

  test.for([
    {
      target: "aws",
      secret: {
        access_key_id: "ASIAEXAMPLEEXAMPLE01",
        secret_access_key: "c2VjcmV0/key+",
        session_token: "c2Vzc2lvbg+/==",
      },
    },
    { target: "google", secret: { token: "ya29.impersonated" } },
  ])(
    "$target gives one of no longer life than the step's, and the close says where it is alive, and until when",
    async ({ target, secret }) => {
      const { stepId, expiresAtSeconds } = await scene.open("researcher", [AUDIENCE], HALF_AN_HOUR);
      const given = await scene.exchange(stepId, target);
      expect(given).toMatchObject({ target, endsWithStep: false, secret });
      expect(Number(given.expiresAt?.seconds)).toBeLessThanOrEqual(expiresAtSeconds);
      const closed = await scene.close(stepId);
      expect(closed.stillAlive).toMatchObject([{ target, standing: Standing.LAPSING, expiresAt: given.expiresAt }]);
      expect(await scene.exchangesOf(stepId)).toMatchObject([{ state: ExchangeState.ISSUED, endable: false }]);
      const again = await scene.runtime().steps.close({ stepId, outcome: 1 });
      expect(again.stillAlive).toMatchObject([{ exchangeId: given.exchangeId }]);
    },
  );

  test("a step that ends sooner than AWS gives credentials for is refused before anybody is asked", async () => {
    const { stepId } = await scene.open();
    const asked = scene.exchange(stepId, "aws");
    await expect(asked).rejects.toMatchObject({ info: { reason: "STEP_EXPIRING" } });
    expect(await scene.exchangesOf(stepId)).toEqual([]);
  });

  test("a role that does not trust the step is refused, and a server that another CA vouches for is not asked", async () => {
    const { stepId } = await scene.open("researcher", [AUDIENCE], HALF_AN_HOUR);
    await expect(scene.exchange(stepId, "aws-unknown")).rejects.toMatchObject({
      ...{ message: "aws-unknown answered 403", info: { reason: "NOT_ENTITLED" } },
    });
    await expect(scene.exchange(stepId, "aws-by-another")).rejects.toMatchObject({
      ...{ message: "aws-by-another can't be reached", info: { reason: "NOT_SERVING" } },
    });
    expect(await scene.exchangesOf(stepId)).toMatchObject([
      { state: ExchangeState.FAILED },
      { state: ExchangeState.FAILED, failure: "answered 403" },
    ]);
    expect((await scene.close(stepId)).stillAlive).toEqual([]);
  });

  test("what was asked and not answered may be alive, and the close says until when", async () => {
    const answered = awsSts({ roleArn: ROLE, audience: AUDIENCE, subject: /./, check: async () => ({ sub: "x" }) });
    aws.answerBy((request) => request.socket.destroy());
    const { stepId, expiresAtSeconds } = await scene.open("researcher", [AUDIENCE], HALF_AN_HOUR);
    await expect(scene.exchange(stepId, "aws")).rejects.toMatchObject({ message: "aws broke off before its answer" });
    aws.answerBy(answered);
    expect(await scene.exchangesOf(stepId)).toMatchObject([{ state: ExchangeState.UNKNOWN }]);
    const [alive] = (await scene.close(stepId)).stillAlive;
    expect(alive).toMatchObject({ target: "aws", standing: Standing.LAPSING });
    expect(Number(alive?.expiresAt?.seconds)).toBeLessThanOrEqual(expiresAtSeconds);
  });
});
