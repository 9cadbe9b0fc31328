import { expect } from "vitest";
import { type Issuance, type Step, StepState } from "../../src/gen/stint/v1/types_pb.js";
import type { Journal } from "./daemon-journal.ts";
import type { Session } from "./daemon-scene.ts";

/** Everything that the ledger holds, gathered as it grows. */
export function ledgerBook() {
  const issuances = new Map<string, Issuance>();
  const steps = new Map<string, Step>();
  return {
    issuances,
    steps,
    /** Takes in all that is new, and steps anew that were open when they were last looked at. */
    async read({ operator }: Session): Promise<void> {
      let pageToken = "";
      do {
        const page = await operator.history.listIssuances({ filter: { pageSize: 500, pageToken } });
        const fresh = page.issuances.filter((one) => !issuances.has(one.issuanceId));
        for (const one of fresh) issuances.set(one.issuanceId, one);
        pageToken = fresh.length === page.issuances.length ? page.nextPageToken : "";
      } while (pageToken !== "");
      do {
        const page = await operator.history.listSteps({ filter: { pageSize: 500, pageToken } });
        for (const one of page.steps) steps.set(one.stepId, one);
        pageToken = page.nextPageToken;
      } while (pageToken !== "");
    },
  };
}

/** That each credential in a journal has its row, and that each step is as its client was told. */
export function expectRecorded(received: Journal, book: ReturnType<typeof ledgerBook>): void {
  const rows = new Map(
    [...book.issuances.values()].map((row) => [Buffer.from(row.toBeSignedSha256).toString("hex"), row]),
  );
  const withoutRow = received.credentials.filter(({ sha256, jti, serialNumber }) => {
    const row = rows.get(sha256);
    return (
      row === undefined ||
      row.jti !== (jti ?? "") ||
      BigInt(`0x0${row.serialNumber}`) !== BigInt(`0x0${serialNumber ?? ""}`)
    );
  });
  expect(withoutRow).toEqual([]);
  const stateOf = (stepId: string) => book.steps.get(stepId)?.state;
  expect(received.closed.filter((stepId) => stateOf(stepId) !== StepState.COMPLETED)).toEqual([]);
  expect(received.opened.filter((stepId) => stateOf(stepId) === undefined)).toEqual([]);
}
