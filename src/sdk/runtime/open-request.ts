import { type KeyObject, randomUUID } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { OpenRequestSchema, OpenResponse } from "../../gen/stint/v1/steps_pb.js";
import type { ExecutorSchema } from "../../gen/stint/v1/types_pb.js";
import { grantMessageOf } from "../../wire/grant-message.ts";
import { durationOfSeconds } from "../../wire/timestamps.ts";
import { confirmationMessageOf } from "./binding.ts";
import { certificateRequestOf, generateKey } from "./certificate-request.ts";
import type { DpopKey } from "./dpop-key.ts";
import type { OpenStepOptions, StepExecutor } from "./step.ts";
import { jwtSvidOf, type StepSvids, x509SvidOf } from "./step-svids.ts";

/** A request to open a step, and what to do with the credentials that its answer brings. */
export type OpenRequest = {
  readonly message: MessageInitShape<typeof OpenRequestSchema>;
  /** Credentials that were refused are not there, so that asking for one again says why. */
  keepFirst(response: OpenResponse, svids: StepSvids): void;
};

/**
 * Made once for all attempts, so that each asks for the same step with the same key.
 *
 * @param dpopKey - to which the first JWT-SVIDs are bound.
 */
export async function openRequestOf(
  options: OpenStepOptions,
  defaults: { readonly agent?: string | undefined; readonly workflow?: string | undefined },
  parentStepId: string,
  dpopKey: DpopKey | undefined,
): Promise<OpenRequest> {
  const audiences = options.first?.jwtSvids ?? [];
  const keys = options.first?.x509Svid === true ? await generateKey() : undefined;
  const credentials = {
    ...(keys !== undefined && { csr: certificateRequestOf(keys) }),
    jwtSvids: audiences.map((audience) => ({
      audiences: [audience],
      ...(dpopKey !== undefined && { cnf: confirmationMessageOf(dpopKey) }),
    })),
  };
  return {
    message: {
      ...wishesOf(options, defaults),
      parentStepId,
      ...(options.first !== undefined && { credentials }),
    },
    keepFirst: (response, svids) => keepFirst(response, svids, audiences, { privateKey: keys?.privateKey, dpopKey }),
  };
}

function wishesOf(
  options: OpenStepOptions,
  defaults: { readonly agent?: string | undefined; readonly workflow?: string | undefined },
): Exclude<MessageInitShape<typeof OpenRequestSchema>, { $typeName: string }> {
  return {
    runId: options.runId,
    step: options.step,
    ...(options.attempt !== undefined && { attempt: options.attempt }),
    agent: options.agent ?? defaults.agent ?? "",
    workflow: options.workflow ?? defaults.workflow ?? "",
    purpose: options.purpose ?? "",
    grant: grantMessageOf(options.grant ?? []),
    audiences: [...(options.audiences ?? [])],
    ...(options.expiresAt !== undefined && { expiresAt: timestampFromDate(options.expiresAt) }),
    ...(options.leaseSeconds !== undefined && { lease: durationOfSeconds(options.leaseSeconds) }),
    parentToken: options.parentToken ?? "",
    principalToken: options.principalToken ?? "",
    executor: executorOf(options.executor ?? "self"),
    requestId: options.requestId ?? randomUUID(),
    allowPartial: options.allowPartial ?? false,
    acceptPending: options.acceptPending ?? false,
  };
}

function executorOf(executor: StepExecutor): MessageInitShape<typeof ExecutorSchema> {
  if (executor === "self") return { executor: { case: "self", value: {} } };
  if (executor === "any") return { executor: { case: "any", value: {} } };
  if (executor === "tree") return { executor: { case: "tree", value: {} } };
  if (executor.tree === true) return { executor: { case: "tree", value: { pid: executor.pid } } };
  return { executor: { case: "pid", value: executor.pid } };
}

function keepFirst(
  response: OpenResponse,
  svids: StepSvids,
  audiences: readonly string[],
  { privateKey, dpopKey }: { readonly privateKey: KeyObject | undefined; readonly dpopKey: DpopKey | undefined },
): void {
  for (const [index, { outcome }] of response.jwtSvids.entries()) {
    const audience = audiences[index];
    if (audience !== undefined && outcome.case === "svid") {
      svids.keepJwtSvid(jwtSvidOf(outcome.value, audience, dpopKey), dpopKey);
    }
  }
  if (response.x509Svid !== undefined && privateKey !== undefined) {
    svids.keepX509Svid(x509SvidOf(response.x509Svid, privateKey));
  }
}
