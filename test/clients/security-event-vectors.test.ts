import { expect, test } from "vitest";
import { parseBundleJson, tokenKeysIn } from "../../src/domain/bundle.ts";
import { createDenyList, jwtKey, stepKey } from "../../src/sdk/verifier/deny-list.ts";
import { toldBy } from "../../src/sdk/verifier/event-denials.ts";
import { refusalOf } from "../../src/sdk/verifier/verified-step.ts";
import { verifySecurityEvent } from "../../src/verify/security-event-token.ts";
import { verificationKeysOf } from "../../src/verify/verification-keys.ts";
import type { FeedOutcome } from "./feed-vectors.ts";
import { refusalIn } from "./outcome.ts";
import { type EventAct, type EventOutcome, securityEventVectors } from "./security-event-vectors.ts";

// The same file is run by the suites of the clients in other languages.

const vectors = securityEventVectors();
const { issuer, audience, now_ms: nowMs } = vectors;
const keys = verificationKeysOf(tokenKeysIn(parseBundleJson(JSON.stringify(vectors.keys), "keys"), "sig", "keys"));

test.for(vectors.scenes)("security events: $name", ({ script }) => {
  const denied = createDenyList();

  function take(text: string): EventOutcome {
    try {
      const told = toldBy(verifySecurityEvent(text, { keys, issuer, audience }), nowMs);
      if (told.kind === "certificate") return { told: told.kind };
      if (told.kind === "verification") return { told: told.kind, state: told.state ?? null };
      denied.add([told.entry]);
      return { told: told.kind, forget_after_ms: told.entry.forgetAfterMs };
    } catch (thrown) {
      return refusalIn(thrown) as EventOutcome;
    }
  }

  function ask({ step_id: stepId, issuer: of, jti }: Extract<EventAct, { do: "ask" }>): FeedOutcome {
    const found = denied.find([stepKey(stepId), jwtKey(of, jti)]);
    return found === undefined ? "accepted" : refusalIn(refusalOf(found));
  }

  for (const act of script) {
    if (act.do === "forget") denied.forget(act.at_ms);
    else if (act.do === "ask") expect(ask(act)).toEqual(act.is);
    else expect(take(vectors.tokens[act.token] ?? ""), act.token).toEqual(act.is);
  }
});
