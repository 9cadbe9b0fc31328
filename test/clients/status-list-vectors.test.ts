import { expect, onTestFinished, test } from "vitest";
import {
  type Action,
  createVerifier,
  type ToolUse,
  type VerificationError,
  type VerifiedStep,
} from "../../src/sdk/verifier/index.ts";
import { manualClock } from "../sdk/verifier/manual-clock.ts";
import { type Served, servedDocuments } from "../sdk/verifier/scripted-issuer.ts";
import type { FeedOutcome } from "./feed-vectors.ts";
import { outcomeOf, refusalIn } from "./outcome.ts";
import { type ListAct, statusListVectors } from "./status-list-vectors.ts";

// The same file is run by the suites of the clients in other languages.

const vectors = statusListVectors();

test.for(vectors.scenes)("status lists: $name", async ({ script, options }) => {
  const issuer = await servedDocuments(new Map(Object.entries(vectors.served)));
  const clock = manualClock(vectors.now_ms);
  const verified = new Map<string, VerifiedStep>();
  const ends = new Map<string, PromiseWithResolvers<VerificationError>>();
  const revocation = {
    from: "status-list",
    issuer: vectors.issuer,
    url: issuer.url,
    trustDomain: options.trust_domain ?? vectors.trust_domain,
  } as const;
  // Made when the first act wants it, so that what is served by then is what it finds.
  let made: ReturnType<typeof createVerifier> | undefined;
  function verifier() {
    made ??= createVerifier({
      ...{ audiences: [vectors.audience], clock, revocation },
      development: options.development ?? false,
      maxStalenessSeconds: options.max_staleness_seconds ?? {},
    });
    return made;
  }
  onTestFinished(() => made?.close());
  const known = (token: string): VerifiedStep => {
    const step = verified.get(token);
    if (step === undefined) throw new Error(`${token} was not verified before`);
    return step;
  };

  async function verify(token: string, actions: readonly Action[]): Promise<FeedOutcome> {
    const text = vectors.tokens[token] ?? "";
    await verifier().learn(text);
    return outcomeOf(() => verified.set(token, verifier().verify(text, { actions })));
  }

  async function act(one: ListAct): Promise<void> {
    switch (one.do) {
      case "serve":
        return issuer.serve(one.path ?? vectors.list_path, servedBy(one, vectors.documents));
      case "stop":
        return issuer.stop();
      case "ready":
        return verifier().ready();
      case "advance":
        return clock.advance(one.ms);
      case "suspend":
        return clock.suspend(one.ms);
      case "set_wall":
        return clock.setWall(clock.wallMs() + one.ahead_ms);
      case "verify":
        return expect(await verify(one.token, (one.actions ?? []) as readonly Action[])).toEqual(one.is);
      case "recheck":
        return expect(outcomeOf(() => verifier().recheck(known(one.token)))).toEqual(one.is);
      case "authorize": {
        const use = { tool: "search", actions: one.actions, datatypes: ["internal"] } as ToolUse;
        return expect(outcomeOf(() => verifier().authorize(known(one.token), use))).toEqual(one.is);
      }
      case "listen": {
        const end = Promise.withResolvers<VerificationError>();
        ends.set(one.token, end);
        verifier().onClosed(known(one.token), end.resolve);
        return;
      }
      case "told":
        return expect(refusalIn(await ends.get(one.token)?.promise)).toEqual(one.is);
      case "status": {
        const now = verifier().status();
        const all = {
          ...{ connected: now.connected, refusal: now.refusal ?? null, denied: now.denied, bundles: now.bundles },
          ...{ staleness_seconds: now.stalenessSeconds ?? null, last_error: now.lastError ?? null },
        };
        return expect(all).toMatchObject(one.is);
      }
      case "asked":
        return expect(issuer.asked(one.path ?? vectors.list_path)).toBe(one.times);
    }
  }
  for (const one of script) await act(one);
});

function servedBy(
  { document, filler_bytes: filler = 0, status = 200, headers = {} }: Extract<ListAct, { do: "serve" }>,
  documents: Readonly<Record<string, string>>,
): Served {
  const text = document === undefined ? "x".repeat(filler) : documents[document];
  return (response) => void response.writeHead(status, headers).end(text);
}
