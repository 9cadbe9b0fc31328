import { expect, test } from "vitest";
import { unsigned } from "../../src/domain/signable.ts";
import { MCP, pathScene } from "../open/path-scene.ts";

const WANTED = [{ kind: "jwt-svid", audiences: [MCP] }] as const;

test("a draft that the ledger recorded and could not sign is marked as undelivered, and its caller is told", async () => {
  const committed = {
    sign() {
      throw unsigned("the key is gone");
    },
  };
  const { broker, runtime, researcher, openForAudiences, store, clock } = await pathScene({ committed });
  const { stepId } = await openForAudiences(runtime);
  const answers = await broker.issue(researcher, { stepId, wanted: WANTED });
  expect(answers).toEqual([expect.objectContaining({ kind: "denial", code: "AUTHORITY_UNAVAILABLE" })]);
  const rows = await store.history.issuances({ stepId, now: clock.now(), limit: 2 });
  expect(rows).toEqual([expect.objectContaining({ undelivered: true })]);
});

test("a defect in what signs there is told as a missing signature, and goes no further", async () => {
  const committed = {
    sign() {
      throw new TypeError("not a key at all");
    },
  };
  const { broker, runtime, researcher, openForAudiences } = await pathScene({ committed });
  const { stepId } = await openForAudiences(runtime);
  const answers = await broker.issue(researcher, { stepId, wanted: WANTED });
  expect(answers).toEqual([
    expect.objectContaining({ code: "AUTHORITY_UNAVAILABLE", message: "the signing authority is not available" }),
  ]);
});

test("what the ledger signed is not signed again", async () => {
  const asked: string[] = [];
  const committed = {
    sign: ({ record }: { readonly record: { readonly issuanceId: string } }) => {
      asked.push(record.issuanceId);
      return Buffer.from("3006020101020101", "hex");
    },
  };
  const signSvid = () => Promise.reject(new Error("asked a second time"));
  const { broker, runtime, researcher, openForAudiences } = await pathScene({ committed, signSvid });
  const { stepId } = await openForAudiences(runtime);
  const [delivery] = await broker.issue(researcher, { stepId, wanted: WANTED });
  expect(delivery).toMatchObject({ kind: "jwt-svid", issuanceId: asked[0] });
});
