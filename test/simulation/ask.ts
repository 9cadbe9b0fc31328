import type { CallAnswer } from "../../src/check/answer-denials.ts";
import type { CallRequest } from "../../src/check/call-request.ts";
import { BrokerError } from "../../src/domain/errors.ts";
import type { GrantElement } from "../../src/domain/grant.ts";
import type { SimulatedProcess } from "./kernel.ts";
import { isUnanswered } from "./sites.ts";
import type { World } from "./world.ts";

/** Whether all that an element grants at a place may be done there now. */
export function requestWith(
  svid: Uint8Array,
  element: GrantElement,
  location: string,
  own: Partial<Pick<CallRequest, "argumentsSha256" | "acceptPending">> = {},
): CallRequest {
  const { max_calls: _, ...use }: GrantElement = { ...element, locations: [location] };
  const credential = { kind: "jwt-svid", token: Buffer.from(svid).toString("latin1") } as const;
  return { credential, location, use, acceptPending: false, ...own };
}

/** Asks about a call, and notes what came of it. @returns the answer, where there is one */
export async function ask(
  { lives, broker, calls, clock }: World,
  by: SimulatedProcess,
  request: CallRequest,
): Promise<CallAnswer | undefined> {
  const asked = { askedAt: clock.now(), life: lives };
  calls.asked.set(lives, (calls.asked.get(lives) ?? 0) + 1);
  try {
    const answer = await broker.check(by, request);
    calls.answers.push({ ...asked, answer });
    return answer;
  } catch (thrown) {
    if (!(thrown instanceof BrokerError)) throw thrown;
    if (isUnanswered(thrown)) {
      calls.unanswered.push(asked);
      return undefined;
    }
    const { decision_id: decisionId } = thrown.metadata;
    calls.refusals.push({ ...asked, ...(decisionId === undefined ? {} : { decisionId }) });
    return undefined;
  }
}
