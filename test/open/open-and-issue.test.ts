import { describe, expect, test } from "vitest";
import { BrokerError, isDenial } from "../../src/domain/errors.ts";
import { certificationRequest, p256 } from "../samples/certification-request.ts";
import { FILES, pathScene, SEARCH } from "./path-scene.ts";

const CSR = certificationRequest(p256());
const self = { executor: { kind: "self" } } as const;

describe("a step and its first credentials are recorded together:", () => {
  const wanted = [{ kind: "jwt-svid", audiences: [SEARCH] }] as const;

  test("both acts are asked for in one turn, so that they are one message to the ledger and one transaction", async () => {
    const { researcher, openAndIssue, onAct } = await pathScene();
    const turns: [act: string, turn: number][] = [];
    let turn = 0;
    onAct(({ act }) => {
      turns.push([act, turn]);
      queueMicrotask(() => {
        turn += 1;
      });
    });
    const { svids } = await openAndIssue(researcher, self, wanted);
    expect(svids).toMatchObject([{ kind: "jwt-svid" }]);
    expect(turns).toEqual([
      ["open-step", 0],
      ["record-issuances", 0],
    ]);
  });

  test("nothing is signed for a step that the ledger refuses at the last moment", async () => {
    let signed = 0;
    const signSvid = () => {
      signed += 1;
      return Promise.reject(new BrokerError("AUTHORITY_UNAVAILABLE", "asked for nothing"));
    };
    const { researcher, openAndIssue, onAct, clock, store } = await pathScene({ signSvid });
    const acts: string[] = [];
    onAct(({ act }) => void acts.push(act));
    const opening = [openAndIssue(researcher, self, []), openAndIssue(researcher, self, wanted)];
    const [first, second] = await Promise.allSettled(opening);
    expect(first).toMatchObject({ status: "fulfilled" });
    expect(second).toMatchObject({ status: "rejected", reason: { code: "STEP_EXISTS" } });
    // Both were on their way when the first was recorded.
    expect(acts).toEqual(["open-step", "open-step", "record-issuances"]);
    expect(signed).toBe(0);
    expect(await store.history.issuances({ now: clock.now(), limit: 1 })).toEqual([]);
  });

  test("a step that can't be recorded is refused with that, whatever became of its credentials", async () => {
    const { researcher, openAndIssue, onAct, broker } = await pathScene();
    onAct(() => {
      throw new BrokerError("LEDGER_UNAVAILABLE", "the disk is full");
    });
    await expect(openAndIssue(researcher, self, wanted)).rejects.toMatchObject({ code: "LEDGER_UNAVAILABLE" });
    expect(broker.stepDirectory.open()).toEqual([]);
  });
});

describe("a step is opened with its first credentials, or not at all:", () => {
  test("a request for a certificate whose signature is wrong opens nothing", async () => {
    const { researcher, openAndIssue, store } = await pathScene();
    const tampered = CSR.with(-1, (CSR.at(-1) ?? 0) ^ 1);
    const { sequence } = store.ledger.head();
    const opening = openAndIssue(researcher, self, [{ kind: "x509-svid", csr: tampered }]);
    await expect(opening).rejects.toMatchObject({ code: "CSR_INVALID" });
    expect(store.ledger.head().sequence).toBe(sequence);
  });

  test("an order that is refused as a whole leaves no open step behind", async () => {
    const { researcher, openAndIssue, store, broker } = await pathScene();
    const wanted = Array.from({ length: 101 }, () => ({ kind: "jwt-svid", audiences: [SEARCH] }) as const);
    await expect(openAndIssue(researcher, self, wanted)).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
    expect(broker.stepDirectory.open()).toEqual([]);
    const [step] = await store.history.steps({ limit: 1 });
    expect(step).toMatchObject({ state: "CANCELLED" });
  });

  test("nor does an X.509-SVID that is refused", async () => {
    const signSvid = () => Promise.reject(new BrokerError("AUTHORITY_UNAVAILABLE", "the signer is gone"));
    const { researcher, openAndIssue, broker } = await pathScene({ signSvid });
    const opening = openAndIssue(researcher, self, [{ kind: "x509-svid", csr: CSR }]);
    await expect(opening).rejects.toMatchObject({ code: "AUTHORITY_UNAVAILABLE" });
    expect(broker.stepDirectory.open()).toEqual([]);
  });

  test("a token that is refused alone does not undo the rest", async () => {
    const { researcher, openAndIssue, broker } = await pathScene();
    const wanted = [SEARCH, FILES].map((audience) => ({ kind: "jwt-svid", audiences: [audience] }) as const);
    const { step, svids } = await openAndIssue(researcher, self, wanted);
    expect(svids.map((one) => (isDenial(one) ? one.code : one.kind))).toEqual(["jwt-svid", "AUDIENCE_INVALID"]);
    expect(broker.stepDirectory.open()).toMatchObject([{ stepId: step.stepId, state: "OPEN" }]);
  });

  test("a repeated request whose order is refused leaves the step of before open", async () => {
    const { researcher, openAndIssue, broker } = await pathScene();
    const own = { ...self, requestId: "once" };
    const { step } = await openAndIssue(researcher, own, []);
    const wanted = Array.from({ length: 101 }, () => ({ kind: "jwt-svid", audiences: [SEARCH] }) as const);
    await expect(openAndIssue(researcher, own, wanted)).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
    expect(broker.stepDirectory.open()).toMatchObject([{ stepId: step.stepId }]);
  });
});
