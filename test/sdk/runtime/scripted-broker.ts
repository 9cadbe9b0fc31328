import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Timestamp, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Server, ServerCredentials, type ServerWritableStream } from "@grpc/grpc-js";
import { onTestFinished } from "vitest";
import { BrokerError } from "../../../src/domain/errors.ts";
import {
  Credentials,
  type IssueDelegationTokenRequest,
  type IssueJwtSvidRequest,
  type IssueTxnTokenRequest,
  type IssueWitSvidRequest,
} from "../../../src/gen/stint/v1/credentials_pb.js";
import {
  type CloseRequest,
  type HoldRequest,
  type HoldResponseSchema,
  type OpenRequest,
  Outcome,
  Steps,
} from "../../../src/gen/stint/v1/steps_pb.js";
import { type StepSchema, StepState } from "../../../src/gen/stint/v1/types_pb.js";
import { createStint, type Stint, type StintOptions } from "../../../src/sdk/runtime/index.ts";
import { addService, type HandlersOf, type Received, receivedMessage } from "../../../src/wire/service-definition.ts";
import { serviceErrorOf } from "../../../src/wire/service-error.ts";

type StepInit = Exclude<MessageInitShape<typeof StepSchema>, { $typeName: string }>;
type HoldCall = ServerWritableStream<Received<HoldRequest>, MessageInitShape<typeof HoldResponseSchema>>;

/** What a scripted answer may replace; each is called with the message and throws a BrokerError to refuse. */
export type Script = {
  open?: (request: OpenRequest) => void;
  /** Called when the step is open and its answer is not yet sent. */
  opened?: (attempt: number) => void;
  close?: (request: CloseRequest, attempt: number) => void;
  jwtSvid?: (request: IssueJwtSvidRequest, mint: number) => void;
  witSvid?: (request: IssueWitSvidRequest, mint: number) => void;
  txnToken?: (request: IssueTxnTokenRequest, mint: number) => void;
  /** Seconds. */
  ttl?: number;
  hold?: (call: HoldCall) => boolean;
};

/**
 * A peer that speaks `stint.v1` over a real unix socket and keeps steps in a map: no policy, no ledger, and whatever a
 * test scripts. It can be stopped and started again at the same path.
 */
export async function scriptedBroker(script: Script = {}) {
  const directory = mkdtempSync(join(tmpdir(), "stint-runtime-"));
  const socket = join(directory, "workload.sock");
  const steps = new Map<string, StepInit>();
  const byRequest = new Map<string, string>();
  const holds = new Set<HoldCall>();
  const seen = {
    opened: [] as OpenRequest[],
    closed: [] as CloseRequest[],
    enrolled: [] as number[],
    minted: [] as IssueJwtSvidRequest[],
    csrs: [] as Uint8Array[],
    wits: [] as IssueWitSvidRequest[],
    transactions: [] as IssueTxnTokenRequest[],
    delegations: [] as IssueDelegationTokenRequest[],
    holds: 0,
    metadata: [] as string[],
  };
  let server: Server | undefined;

  /** Ends a step as anybody but its runtime would, and tells whoever holds it. */
  function end(stepId: string, state: StepState): void {
    const step = stepNamed(stepId);
    step.state = state;
    for (const call of holds) {
      if (receivedMessage(call.request).stepId !== stepId) continue;
      call.write({ step });
      call.end();
      holds.delete(call);
    }
  }

  function stepNamed(stepId: string): StepInit {
    const step = steps.get(stepId);
    if (step === undefined) throw new BrokerError("STEP_NOT_FOUND", "there is no such step");
    return step;
  }

  function openNamed(stepId: string): StepInit {
    const step = stepNamed(stepId);
    if (step.state !== StepState.OPEN) {
      const state = StepState[step.state ?? 0] ?? "";
      throw new BrokerError("STEP_CLOSED", `the step is ${state}`, { metadata: { state } });
    }
    return step;
  }

  function expiry(): Timestamp {
    return timestampFromDate(new Date(Date.now() + (script.ttl ?? 120) * 1_000));
  }

  function openStep(request: OpenRequest): StepInit {
    const known = byRequest.get(request.requestId);
    if (known !== undefined) return stepNamed(known);
    const stepId = `step_${steps.size + 1}`;
    const attempt = request.attempt ?? 1;
    const step: StepInit = {
      stepId,
      name: { runId: request.runId, step: request.step, attempt },
      agent: request.agent,
      spiffeId: `spiffe://example.org/agent/${request.agent}/run/${request.runId}/step/${request.step}/${attempt}`,
      state: StepState.OPEN,
      ...(request.grant !== undefined && { grant: request.grant }),
      audiences: request.audiences,
      expiresAt: request.expiresAt ?? timestampFromDate(new Date(Date.now() + 300_000)),
      parentStepId: request.parentStepId,
      decisionId: "dec_1",
    };
    steps.set(stepId, step);
    byRequest.set(request.requestId, stepId);
    return step;
  }

  /** A token that no two mints share, and that a search for it in a text finds. */
  function jwtSvid(stepId: string) {
    const svid = `eyJhbGciOiJFUzI1NiJ9.secret${seen.minted.length}.c2lnbmF0dXJl`;
    return { issuanceId: "iss_1", spiffeId: openNamed(stepId).spiffeId ?? "", svid, expiresAt: expiry() };
  }

  function answer<Response>(reply: (error: Error | null, response?: Response) => void, act: () => Response): void {
    let response: Response;
    try {
      response = act();
    } catch (thrown) {
      reply(serviceErrorOf(thrown));
      return;
    }
    reply(null, response);
  }

  const stepsHandlers: HandlersOf<typeof Steps> = {
    open(call, reply) {
      const request = receivedMessage(call.request);
      seen.opened.push(request);
      seen.metadata.push(String(call.metadata.get("workload.spiffe.io")));
      answer(reply, () => {
        script.open?.(request);
        const step = openStep(request);
        script.opened?.(seen.opened.length);
        const wanted = request.credentials?.jwtSvids ?? [];
        return {
          step,
          jwtSvids: wanted.map(() => ({ outcome: { case: "svid" as const, value: jwtSvid(step.stepId ?? "") } })),
        };
      });
    },
    hold(call) {
      seen.holds += 1;
      if (script.hold?.(call) === true) return;
      try {
        const step = openNamed(receivedMessage(call.request).stepId);
        holds.add(call);
        call.on("cancelled", () => holds.delete(call));
        call.write({ step });
      } catch (thrown) {
        call.emit("error", serviceErrorOf(thrown));
      }
    },
    renew: (call, reply) => answer(reply, () => ({ step: openNamed(receivedMessage(call.request).stepId) })),
    close(call, reply) {
      const request = receivedMessage(call.request);
      seen.closed.push(request);
      answer(reply, () => {
        script.close?.(request, seen.closed.length);
        const step = stepNamed(request.stepId);
        if (step.state === StepState.OPEN) end(request.stepId, CLOSED_AS[request.outcome]);
        return { step, sequence: 7n, credentialsRevoked: 2, descendantsClosed: 1 };
      });
    },
    get(call, reply) {
      const { by } = receivedMessage(call.request);
      answer(reply, () => {
        if (by.case === "stepId") return { step: stepNamed(by.value) };
        const named = [...steps.values()].findLast((one) => one.name?.step === by.value?.step);
        return { step: stepNamed(named?.stepId ?? "") };
      });
    },
    getTree: (_call, reply) => reply(null, {}),
    watchClosure: (call) => void call.end(),
    getClosureReceipt: (_call, reply) => reply(null, {}),
    list: (_call, reply) => reply(null, {}),
    enroll(call, reply) {
      seen.enrolled.push(receivedMessage(call.request).pid);
      answer(reply, () => ({ sequence: 9n }));
    },
  };

  const credentialsHandlers: HandlersOf<typeof Credentials> = {
    issueJwtSvid(call, reply) {
      const request = receivedMessage(call.request);
      seen.minted.push(request);
      answer(reply, () => {
        script.jwtSvid?.(request, seen.minted.length);
        return { svid: jwtSvid(request.stepId) };
      });
    },
    issueJwtSvids: (_call, reply) => reply(null, {}),
    issueWitSvid(call, reply) {
      const request = receivedMessage(call.request);
      seen.wits.push(request);
      answer(reply, () => {
        script.witSvid?.(request, seen.wits.length);
        const svid = `eyJhbGciOiJFUzI1NiJ9.wit${seen.wits.length}.c2lnbmF0dXJl`;
        const spiffeId = openNamed(request.stepId).spiffeId ?? "";
        return { svid: { issuanceId: "iss_3", spiffeId, svid, expiresAt: expiry() } };
      });
    },
    issueTxnToken(call, reply) {
      const request = receivedMessage(call.request);
      seen.transactions.push(request);
      answer(reply, () => {
        script.txnToken?.(request, seen.transactions.length);
        const token = `eyJhbGciOiJFUzI1NiJ9.txn${seen.transactions.length}.c2lnbmF0dXJl`;
        const spiffeId = openNamed(request.stepId).spiffeId ?? "";
        return { token: { issuanceId: "iss_4", spiffeId, token, expiresAt: expiry() } };
      });
    },
    issueDelegationToken(call, reply) {
      const request = receivedMessage(call.request);
      seen.delegations.push(request);
      answer(reply, () => {
        const token = `eyJhbGciOiJFUzI1NiJ9.dlg${seen.delegations.length}.c2lnbmF0dXJl`;
        const spiffeId = openNamed(request.stepId).spiffeId ?? "";
        return { token: { issuanceId: "iss_5", spiffeId, token, expiresAt: expiry() } };
      });
    },
    exchange(call, reply) {
      const { target, stepId } = receivedMessage(call.request);
      answer(reply, () => {
        openNamed(stepId);
        const secret = { token: `secret-of-${target}` };
        return { exchangeId: "xch_1", target, kind: "openbao", secret, endsWithStep: true, expiresAt: expiry() };
      });
    },
    issueX509Svid(call, reply) {
      const { stepId, csr } = receivedMessage(call.request);
      seen.csrs.push(csr);
      answer(reply, () => ({
        svid: {
          issuanceId: "iss_2",
          spiffeId: openNamed(stepId).spiffeId ?? "",
          x509Svid: [Uint8Array.of(0x30, 0)],
          bundle: [Uint8Array.of(0x30, 0)],
          expiresAt: expiry(),
        },
      }));
    },
  };

  async function start(): Promise<void> {
    const started = new Server();
    addService(started, Steps, stepsHandlers);
    addService(started, Credentials, credentialsHandlers);
    server = started;
    await new Promise<void>((resolve, reject) => {
      started.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) =>
        error === null ? resolve() : reject(error),
      );
    });
  }

  function stop(): void {
    server?.forceShutdown();
    server = undefined;
    holds.clear();
    rmSync(socket, { force: true });
  }

  await start();
  onTestFinished(() => {
    stop();
    rmSync(directory, { recursive: true });
  });

  return {
    socket,
    seen,
    end,
    start,
    stop,
    held: () => holds.size,
    /** A client of this broker that lives as long as the test. */
    stint(options: StintOptions = {}): Stint {
      const stint = createStint({ endpoint: `unix://${socket}`, agent: "researcher", ...options });
      onTestFinished(() => stint.close());
      return stint;
    },
  };
}

const CLOSED_AS = {
  [Outcome.UNSPECIFIED]: StepState.UNSPECIFIED,
  [Outcome.COMPLETED]: StepState.COMPLETED,
  [Outcome.FAILED]: StepState.FAILED,
  [Outcome.CANCELLED]: StepState.CANCELLED,
} as const satisfies Record<Outcome, StepState>;

/** Resolves with the signal's reason once it aborts. */
export function aborted(signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(signal.reason);
    else signal.addEventListener("abort", () => resolve(signal.reason), { once: true });
  });
}

/** What a promise was rejected with. */
export async function thrownBy(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (thrown) {
    return thrown;
  }
  throw new Error("nothing was thrown");
}
