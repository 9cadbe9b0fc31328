import type { DescMessage, DescService, MessageInitShape } from "@bufbuild/protobuf";
import {
  type handleUnaryCall,
  Metadata,
  type ServerInterceptingCall,
  type ServerInterceptor,
  type ServerUnaryCall,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import { BrokerError, invalidField } from "../../domain/errors.ts";
import type { Attested } from "../../domain/stages.ts";
import type { Peer } from "../../ports/attestor.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import type { ServedOutcome, Tracing } from "../../ports/tracing.ts";
import { methodDefinitionOf, type Received, receivedMessage } from "../../wire/service-definition.ts";
import { serviceErrorOf } from "../../wire/service-error.ts";
import { STATUS_OF } from "../../wire/status-of.ts";

/** What every handler needs to know of the endpoint it is served on. */
export type Endpoint = {
  readonly peerOf: (call: Pick<Call, "getPeer" | "metadata">) => Peer;
  readonly attest: (peer: Peer) => Promise<Attested>;
  readonly log: Log;
  readonly clock: Pick<Clock, "monotonicMs">;
  /** Absent: no spans are made. */
  readonly tracing?: Tracing | undefined;
};

/** Ids that a handler wants in the log line of its request, as the caller gave them. */
export type Ids = Record<string, string>;

/** The form of an id or a name. Any other text that is given for an id may be a secret given by mistake. */
const LOGGED_ID = /^[A-Za-z0-9._-]{1,128}$/;

function loggedIds(ids: Ids): Ids {
  return Object.fromEntries(
    Object.entries(ids).map(([name, value]) => [name, LOGGED_ID.test(value) ? value : "(malformed)"]),
  );
}

/**
 * A unary handler: attests the caller, runs the act, and answers with its result or with the one error of the broker.
 */
export function unary<Request, Response extends DescMessage>(
  endpoint: Endpoint,
  method: string,
  act: (request: Request, caller: Attested, ids: Ids) => Promise<MessageInitShape<Response>>,
  answerOf: (thrown: unknown) => ServiceError = serviceErrorOf,
): handleUnaryCall<Received<Request>, MessageInitShape<Response>> {
  return (call, callback) => {
    const started = begin(endpoint, method, call);
    started
      .run(async () => {
        const request = receivedMessage(call.request);
        return act(request, await started.attested(), started.ids);
      })
      .then(
        (response) => callback(null, response),
        (thrown: unknown) => callback(answerOf(thrown)),
      );
  };
}

/** A call under way: what it needs to be attested, answered and logged once. */
export type Begun = {
  readonly ids: Ids;
  /** Attests the caller as it is now. */
  attested(): Promise<Attested>;
  /** Tells the log of a caller that was attested by something else than its connection. */
  calledBy(caller: Attested): void;
  /** Runs the act and logs its outcome; an error of the act is thrown on, for the answer. */
  run<T>(act: () => Promise<T>): Promise<T>;
};

/** What is looked at of a call. */
export type Call = Pick<ServerUnaryCall<unknown, unknown>, "getPeer" | "getPath" | "metadata">;

export function begin(endpoint: Endpoint, method: string, call: Call): Begun {
  const startedMs = endpoint.clock.monotonicMs();
  const ids: Ids = {};
  let peer: Peer | undefined;
  let caller: Attested | undefined;

  function log(outcome: string, detail: string | undefined): void {
    const traceId = endpoint.tracing?.traceId();
    endpoint.log.request({
      method,
      uid: peer?.uid ?? -1,
      pid: peer?.pid ?? -1,
      caller: caller?.entries.map((entry) => `${entry.content.kind}/${entry.content.name}`) ?? [],
      outcome,
      durationMs: endpoint.clock.monotonicMs() - startedMs,
      ids: loggedIds(ids),
      ...(detail === undefined ? {} : { detail }),
      ...(traceId === undefined ? {} : { traceId }),
    });
  }

  async function logged<T>(act: () => Promise<T>): Promise<T> {
    try {
      const result = await act();
      log("OK", undefined);
      return result;
    } catch (thrown) {
      if (thrown instanceof BrokerError) log(thrown.code, thrown.detail);
      else {
        log("INTERNAL", undefined);
        endpoint.log.fault(method, thrown);
      }
      throw thrown;
    }
  }

  return {
    ids,
    async attested() {
      peer = endpoint.peerOf(call);
      caller = await attested(endpoint, peer);
      return caller;
    },
    calledBy(attested) {
      caller = attested;
    },
    run(act) {
      const { tracing } = endpoint;
      if (tracing === undefined) return logged(act);
      const [traceparent] = call.metadata.get("traceparent");
      const parent = typeof traceparent === "string" ? { traceparent } : {};
      return tracing.served(
        { protocol: "grpc", name: call.getPath().slice(1), ...parent },
        () => logged(act),
        (ended) => ("thrown" in ended ? refusalOutcome(ended.thrown) : ANSWERED),
      );
    },
  };
}

function attested({ attest, tracing }: Endpoint, peer: Peer): Promise<Attested> {
  return tracing === undefined ? attest(peer) : tracing.part("attest", () => attest(peer));
}

const ANSWERED: ServedOutcome = { status: "OK", isFault: false };
/** What says that the server failed, and not that it refused. OpenTelemetry semantic conventions 1.45.0, gRPC server spans. */
const FAULTS: ReadonlySet<status> = new Set([
  status.UNKNOWN,
  status.DEADLINE_EXCEEDED,
  status.UNIMPLEMENTED,
  status.INTERNAL,
  status.UNAVAILABLE,
  status.DATA_LOSS,
]);

function refusalOutcome(thrown: unknown): ServedOutcome {
  const isRefusal = thrown instanceof BrokerError;
  const code = isRefusal ? STATUS_OF[thrown.code] : status.INTERNAL;
  return { status: status[code] ?? "UNKNOWN", isFault: FAULTS.has(code), ...(isRefusal && { reason: thrown.code }) };
}

/**
 * Refuses every call without the endpoint's security header, health and reflection included.
 *
 * @param without - services of which no client sends it.
 * @see SPIFFE Workload Endpoint section 6.1
 */
export function requireSecurityHeader(name: string, without: readonly DescService[] = []): ServerInterceptor {
  const exempt = new Set(without.flatMap(({ methods }) => methods.map((method) => methodDefinitionOf(method).path)));
  const refusal = serviceErrorOf(invalidField(name, "metadata of this name with the value true"));
  return (method, call) => {
    if (exempt.has(method.path)) return call as ServerInterceptingCall;
    // The call itself starts otherwise, and is not wrapped: a ServerInterceptingCall passes on all that is received and sent, too.
    const start = call.start.bind(call);
    call.start = (listener) =>
      start({
        onReceiveMetadata(metadata) {
          const values = metadata.get(name);
          if (values.length === 1 && values[0] === "true") {
            listener.onReceiveMetadata(metadata);
            return;
          }
          call.sendStatus({
            code: refusal.code ?? status.INVALID_ARGUMENT,
            details: refusal.details ?? "",
            metadata: refusal.metadata ?? new Metadata(),
          });
        },
        onReceiveMessage: (message) => listener.onReceiveMessage(message),
        onReceiveHalfClose: () => listener.onReceiveHalfClose(),
        onCancel: () => listener.onCancel(),
      });
    // Whoever is given it calls what the interface has, and nothing else of the class.
    return call as ServerInterceptingCall;
  };
}
