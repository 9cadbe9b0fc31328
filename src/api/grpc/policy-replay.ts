import type { MessageInitShape } from "@bufbuild/protobuf";
import { checkMayLook } from "../../decide/step-access.ts";
import type { PolicySet } from "../../domain/policy-set.ts";
import { parseSegment } from "../../domain/spiffe-id.ts";
import type { UnixMicros } from "../../domain/time.ts";
import { Effect } from "../../gen/stint/v1/history_pb.js";
import type {
  Policies,
  PoliciesReplayRequest,
  PoliciesReplayResponseSchema,
  PoliciesSuggestRequest,
  PoliciesSuggestResponseSchema,
  PolicyFlipSchema,
  ReplayProgressSchema,
} from "../../gen/stint/v1/policies_pb.js";
import { type Flip, type Progress, type ReplayFilter, replay } from "../../policy/replay.ts";
import { type SuggestPorts, suggest } from "../../policy/suggest.ts";
import type { Clock } from "../../ports/clock.ts";
import type { PolicyReads } from "../../ports/ledger-reads.ts";
import type { PolicyEngine, PolicyFinding } from "../../ports/policy-engine.ts";
import { decisionMessageOf } from "../../wire/decision-message.ts";
import { grantMessageOf } from "../../wire/grant-message.ts";
import type { HandlersOf } from "../../wire/service-definition.ts";
import { microsOfTimestamp, type Timestamp } from "../../wire/timestamps.ts";
import type { Endpoint } from "./call.ts";
import type { FewAtOnce } from "./few-at-once.ts";
import { type CandidatePorts, candidateOf, versionOf } from "./policy-candidate.ts";
import { findingMessageOf } from "./policy-messages.ts";
import { type SentPolicies, sentPolicies } from "./policy-parts.ts";
import { bidiStreaming, serverStreaming } from "./streaming.ts";

export type ReplayHandlersPorts = CandidatePorts & {
  readonly policies: Pick<PolicyReads, "policySet">;
  readonly engine: Pick<PolicyEngine, "check">;
  readonly replay: Omit<SuggestPorts, "readFiles">;
  readonly clock: Pick<Clock, "now">;
};

type Response = MessageInitShape<typeof PoliciesReplayResponseSchema>;
type Suggestion = MessageInitShape<typeof PoliciesSuggestResponseSchema>;

/** What reads the whole history: each call for as long as it takes, and few at a time. */
export function replayHandlers(
  endpoint: Endpoint,
  ports: ReplayHandlersPorts,
  places: FewAtOnce,
): Pick<HandlersOf<typeof Policies>, "replay" | "suggest"> {
  async function* inPlace<Message>(messages: () => AsyncIterable<Message>): AsyncGenerator<Message, void, void> {
    const leave = places.enter();
    try {
      yield* messages();
    } finally {
      leave();
    }
  }

  async function* replayed(sent: SentPolicies<PoliciesReplayRequest>, signal: AbortSignal): AsyncGenerator<Response> {
    const { set, findings } = await candidateFrom(sent, ports);
    for (const finding of findings) yield { message: { case: "finding", value: findingMessageOf(finding) } };
    if (findings.length > 0) return;
    const filter = filterOf(sent.first ?? {}, ports);
    for await (const one of replay(set, filter, ports.replay, signal)) yield responseOf(one);
  }

  return {
    replay: bidiStreaming(
      endpoint,
      "Policies.Replay",
      async function* (requests: AsyncIterable<PoliciesReplayRequest>, { caller, signal }) {
        checkMayLook(caller);
        const sent = await sentPolicies(requests);
        yield* inPlace(() => replayed(sent, signal));
      },
    ),
    suggest: serverStreaming(
      endpoint,
      "Policies.Suggest",
      async function* (request: PoliciesSuggestRequest, { caller, ids, signal }) {
        checkMayLook(caller);
        const agent = parseSegment(request.agent, "agent");
        ids["agent"] = agent;
        const filter = { ...filterOf(request, ports), agent };
        yield* inPlace(async function* (): AsyncGenerator<Suggestion> {
          for await (const one of suggest(filter, { ...ports.replay, readFiles: ports.readFiles }, signal)) {
            yield "ceiling" in one
              ? {
                  message: {
                    case: "suggestion",
                    value: {
                      ceiling: grantMessageOf(one.ceiling),
                      policies: one.policies,
                      decisions: BigInt(one.decisions),
                      unused: grantMessageOf(one.unused),
                      denied: BigInt(one.denied),
                    },
                  },
                }
              : { message: { case: "progress", value: progressMessageOf(one) } };
          }
        });
      },
    ),
  };
}

/** @returns no set where the ceilings alone are asked for */
async function candidateFrom(
  sent: SentPolicies<PoliciesReplayRequest>,
  ports: ReplayHandlersPorts,
): Promise<{ readonly set: PolicySet | undefined; readonly findings: readonly PolicyFinding[] }> {
  const version = sent.first?.version;
  if (version === 0) return { set: undefined, findings: [] };
  if (version !== undefined) return { set: await versionOf(version, ports.policies), findings: [] };
  const { set, findings } = await candidateOf(sent, ports);
  return { set, findings: findings.length > 0 ? findings : await ports.engine.check(set) };
}

type Asked = {
  readonly since?: Timestamp | undefined;
  readonly until?: Timestamp | undefined;
  readonly agent?: string;
};

function filterOf({ since, until, agent = "" }: Asked, { clock }: Pick<ReplayHandlersPorts, "clock">): ReplayFilter {
  const end: UnixMicros = until === undefined ? clock.now() : microsOfTimestamp(until, "until");
  return {
    until: end,
    ...(since === undefined ? {} : { since: microsOfTimestamp(since, "since") }),
    ...(agent === "" ? {} : { agent: parseSegment(agent, "agent") }),
  };
}

function responseOf(one: Flip | Progress): Response {
  return "recorded" in one
    ? { message: { case: "flip", value: flipMessageOf(one) } }
    : { message: { case: "progress", value: progressMessageOf(one) } };
}

function flipMessageOf(flip: Flip): MessageInitShape<typeof PolicyFlipSchema> {
  const { recorded, effect, gained, lost, policies, errors } = flip;
  return {
    decision: decisionMessageOf(recorded.decision),
    effect: effect === "allow" ? Effect.ALLOW : Effect.DENY,
    gained: grantMessageOf(gained),
    lost: grantMessageOf(lost),
    determiningPolicies: [...policies],
    policyErrors: [...errors],
    reconstructed: recorded.reconstructed,
  };
}

function progressMessageOf(progress: Progress): MessageInitShape<typeof ReplayProgressSchema> {
  const { decisions, skipped, share, isComplete } = progress;
  const permille = Math.floor(share * 1_000);
  return { decisions: BigInt(decisions), skipped: BigInt(skipped), permille, complete: isComplete };
}
