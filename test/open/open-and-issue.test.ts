import { describe, expect, test } from "vitest";
import { BrokerError, isDenial } from "../../src/domain/errors.ts";
import { certificationRequest, p256 } from "../samples/certification-request.ts";
import { FILES, pathScene, SEARCH } from "./path-scene.ts";

const CSR = certificationRequest(p256());
const self = { executor: { kind: "self" } } as const;

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
