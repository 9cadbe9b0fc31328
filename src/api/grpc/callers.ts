import { basename } from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type AttestPorts, lookAt } from "../../attest/attest.ts";
import type { DescendantPorts } from "../../decide/descendants.ts";
import { LIMITS } from "../../domain/limits.ts";
import { kindOf, type Selector } from "../../domain/selector.ts";
import type { Attested } from "../../domain/stages.ts";
import type { Callers, WhoAmIResponseSchema } from "../../gen/stint/v1/callers_pb.js";
import { openingRefusal } from "../../open/kin.ts";
import type { Evidence } from "../../ports/attestor.ts";
import type { ExecutorSteps } from "../../ports/executor-steps.ts";
import { executedSteps, withoutIdentity } from "../../stream/process-identities.ts";
import { processMessageOf } from "../../wire/process-message.ts";
import type { HandlersOf } from "../../wire/service-definition.ts";
import { serviceErrorOf } from "../../wire/service-error.ts";
import { stepMessageOf } from "../../wire/step-message.ts";
import { begin, type Endpoint } from "./call.ts";

export type CallersPorts = AttestPorts & DescendantPorts & { readonly executorSteps: ExecutorSteps };

/**
 * Tells a caller what the broker sees of it, which is all that an entry for it could name. Whoever asks learns of itself
 * alone: of the entries that it matches, the steps that it executes, and facts of its own process.
 */
export function callersHandlers(endpoint: Endpoint, ports: CallersPorts): HandlersOf<typeof Callers> {
  return {
    whoAmI(call, callback) {
      const started = begin(endpoint, "Callers.WhoAmI", call);
      started
        .run(async () => {
          const { evidence, caller } = await lookAt(endpoint.peerOf(call), ports);
          if (caller !== undefined) started.calledBy(caller);
          return { ...factsOf(evidence), ...(caller === undefined ? {} : identityOf(caller, ports)) };
        })
        .then(
          (response) => callback(null, response),
          (thrown: unknown) => callback(serviceErrorOf(thrown)),
        );
    },
  };
}

type Answer = Exclude<MessageInitShape<typeof WhoAmIResponseSchema>, { $typeName: string }>;

function factsOf({ process, uid, selectors, unavailable, executable }: Evidence): Answer {
  const gid = valueIn(selectors, "unix:gid");
  return {
    process: processMessageOf(process),
    uid,
    ...(gid === undefined ? {} : { gid: Number(gid) }),
    selectors: [...selectors].toSorted(),
    unavailable: [...unavailable],
    executable: executable === undefined ? "" : basename(executable),
    executableSha256: valueIn(selectors, "unix:sha256") ?? "",
  };
}

function identityOf(caller: Attested, ports: CallersPorts): Answer {
  const { executorSteps } = ports;
  const steps = executedSteps(caller, executorSteps);
  const notOpening = openingRefusal(caller, ports);
  return {
    entries: caller.entries.map(({ content: { kind, name }, spiffeId }) => ({ kind, name, spiffeId })),
    steps: steps.slice(0, LIMITS.listedMax).map((step) => stepMessageOf(step, { processes: false })),
    stepsCount: steps.length,
    withoutStep: steps.length === 0 ? (withoutIdentity(caller, executorSteps)?.message ?? "") : "",
    withoutOpening: notOpening?.message ?? "",
    opensNotBy: (notOpening?.entries ?? []).map(({ content: { kind, name } }) => `${kind}/${name}`),
    ...(notOpening?.from === undefined ? {} : { descendsFrom: processMessageOf(notOpening.from) }),
  };
}

function valueIn(selectors: ReadonlySet<Selector>, kind: string): string | undefined {
  return [...selectors].find((one) => kindOf(one) === kind)?.slice(kind.length + 1);
}
