import { checkMayLook, operatorWith } from "../../decide/step-access.ts";
import { BrokerError, invalidField } from "../../domain/errors.ts";
import { checkReason } from "../../domain/recorded-reason.ts";
import type {
  Policies,
  PoliciesActivateRequest,
  PoliciesCheckRequest,
  PoliciesPutRequest,
} from "../../gen/stint/v1/policies_pb.js";
import { type OpenStepsPorts, openStepsClosed } from "../../policy/open-steps-closed.ts";
import type { PolicySets } from "../../policy/policy-sets.ts";
import type { PolicyReads, PolicySetRow } from "../../ports/ledger-reads.ts";
import type { PolicyEngine } from "../../ports/policy-engine.ts";
import type { HandlersOf } from "../../wire/service-definition.ts";
import { type Endpoint, unary } from "./call.ts";
import { fewAtOnce } from "./few-at-once.ts";
import { type CandidatePorts, candidateOf, versionOf } from "./policy-candidate.ts";
import { activationMessageOf, findingMessageOf, policySetMessageOf, setPartsOf } from "./policy-messages.ts";
import { sentPolicies } from "./policy-parts.ts";
import { type ReplayHandlersPorts, replayHandlers } from "./policy-replay.ts";
import { operatorActor } from "./revocations.ts";
import { clientStreaming, serverStreaming } from "./streaming.ts";

export type PoliciesPorts = CandidatePorts &
  ReplayHandlersPorts & {
    readonly sets: Pick<PolicySets, "put" | "activate">;
    readonly policies: PolicyReads;
    readonly engine: Pick<PolicyEngine, "check">;
    readonly openSteps: OpenStepsPorts;
    readonly schema: () => string;
    /** The version that the configuration declares; 0: none. */
    readonly declaredVersion: () => number;
  };

/** Each has a thread of its own, and reads the history, or judges the open steps, for as long as that takes. */
const LOOKS_AT_ONCE_MAX = 2;

export function policiesHandlers(endpoint: Endpoint, ports: PoliciesPorts): HandlersOf<typeof Policies> {
  const { sets, policies } = ports;
  const places = fewAtOnce(LOOKS_AT_ONCE_MAX, "looks at what other policies would do");
  return {
    put: clientStreaming(endpoint, "Policies.Put", async (requests: AsyncIterable<PoliciesPutRequest>, { caller }) => {
      const by = operatorActor(caller, ["admin"]);
      const { set, findings } = await candidateOf(await sentPolicies(requests), ports);
      const put = findings.length > 0 ? findings : await sets.put(set, by);
      if (!("kind" in put)) return { findings: put.map(findingMessageOf) };
      return { set: await listed(put.version, policies) };
    }),
    check: clientStreaming(
      endpoint,
      "Policies.Check",
      async (requests: AsyncIterable<PoliciesCheckRequest>, { caller }) => {
        checkMayLook(caller);
        const { set, findings } = await candidateOf(await sentPolicies(requests), ports);
        return { findings: (findings.length > 0 ? findings : await ports.engine.check(set)).map(findingMessageOf) };
      },
    ),
    activate: unary(endpoint, "Policies.Activate", async (request, caller, ids) => {
      const { version, dryRun } = request;
      ids["version"] = String(version);
      if (dryRun) {
        checkMayLook(caller);
        if (version === 0) return {};
        const leave = places.enter();
        try {
          return { stepsClosed: await openStepsClosed(await versionOf(version, policies), ports.openSteps) };
        } finally {
          leave();
        }
      }
      const by = operatorActor(caller, ["admin"]);
      checkActivation(request);
      return { changed: await sets.activate(version, request.reason, by) };
    }),
    list: unary(endpoint, "Policies.List", async (_request, caller) => {
      checkMayLook(caller);
      const [rows, activation] = await Promise.all([policies.policySets(), policies.policyActivation()]);
      return {
        sets: rows.map((row) => policySetMessageOf(row, activation?.version ?? 0)),
        ...(activation === undefined ? {} : { activation: activationMessageOf(activation) }),
        declaredVersion: ports.declaredVersion(),
      };
    }),
    get: serverStreaming(endpoint, "Policies.Get", async function* ({ version }, { caller, ids }) {
      operatorWith(caller, ["admin", "viewer"]);
      ids["version"] = String(version);
      const set = await versionOf(version, policies);
      const row = (await policies.policySets()).find((one) => one.version === version);
      const activation = await policies.policyActivation();
      if (row !== undefined) yield* setPartsOf(row, set, activation?.version ?? 0);
    }),
    schema: unary(endpoint, "Policies.Schema", async (_request, caller) => {
      checkMayLook(caller);
      return { schema: ports.schema() };
    }),
    ...replayHandlers(endpoint, ports, places),
  };
}

function checkActivation({ version, none, reason }: PoliciesActivateRequest): void {
  if (version === 0 && !none) {
    throw invalidField("version", "one that the broker has; 0 puts none in force, and needs `none`");
  }
  checkReason(reason);
}

async function listed(version: number, policies: PolicyReads) {
  const row: PolicySetRow | undefined = (await policies.policySets()).find((one) => one.version === version);
  if (row === undefined) throw new BrokerError("LEDGER_UNAVAILABLE", "the ledger does not have what it recorded");
  return policySetMessageOf(row, (await policies.policyActivation())?.version ?? 0);
}
