import { AsyncLocalStorage } from "node:async_hooks";
import {
  type Attributes,
  type Context,
  type DiagLogger,
  diag,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import type { ServedCall, ServedOutcome, Tracing } from "../../ports/tracing.ts";

/** Of W3C Trace Context version 00, or of a later version, of which that much is promised to stay. */
const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:$|-)/;
const [NO_TRACE, NO_SPAN] = ["0".repeat(32), "0".repeat(16)];
/** Spans that wait to be sent. What comes beyond them is dropped: tracing never holds a call back. */
const WAITING_MAX = 8_192;
const BATCH = 512;
const SEND_AFTER_MS = 1_000;
const SEND_TIMEOUT_MS = 10_000;
/** Of a trouble with the collector, which may answer with a page. */
const TOLD_MAX = 300;

export type OtelTracing = Tracing & {
  /** Sends what waits, for at most as long as one sending may take. */
  close(): Promise<void>;
};

/**
 * Spans by OpenTelemetry, sent over OTLP/HTTP to one collector, with the attributes of its semantic conventions for RPC and HTTP.
 *
 * @param options.url - where traces are sent, whole; `http://127.0.0.1:4318/v1/traces`.
 * @param options.share - of the traces that begin here which are recorded, 0 to 1; of the others their callers decide.
 * @param options.headers - are sent along with each request.
 * @param options.failed - is told when spans can't be sent; the text may hold an address, and never a header.
 */
export function openOtelTracing(options: {
  readonly url: string;
  readonly share: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly version: string;
  readonly failed: (why: string) => void;
}): OtelTracing {
  diag.setLogger(toldOf(options.failed), { suppressOverrideMessage: true });
  const exporter = new OTLPTraceExporter({
    url: options.url,
    headers: { ...options.headers },
    timeoutMillis: SEND_TIMEOUT_MS,
  });
  const processor = new BatchSpanProcessor({
    exporter,
    maxQueueSize: WAITING_MAX,
    maxExportBatchSize: BATCH,
    scheduledDelayMillis: SEND_AFTER_MS,
    exportTimeoutMillis: SEND_TIMEOUT_MS,
  });
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ "service.name": "stintd", "service.version": options.version }),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(options.share) }),
    spanProcessors: [processor],
  });
  return {
    ...tracingBy(provider.getTracer("stint", options.version)),
    async close() {
      // A collector that is gone must not keep the broker from ending.
      await provider.shutdown().catch(() => undefined);
    },
  };
}

function tracingBy(tracer: Tracer): Tracing {
  const current = new AsyncLocalStorage<Span>();

  return {
    async served(call, act, outcomeOf) {
      const kind = SpanKind.SERVER;
      const span = tracer.startSpan(call.name, { kind, attributes: attributesOf(call) }, parentOf(call.traceparent));
      let outcome: ServedOutcome | undefined;
      try {
        const value = await current.run(span, act);
        outcome = outcomeOf({ value });
        return value;
      } catch (thrown) {
        outcome = outcomeOf({ thrown });
        throw thrown;
      } finally {
        if (outcome !== undefined) tellOutcome(span, call, outcome);
        span.end();
      }
    },
    async part(name, act) {
      const above = current.getStore();
      if (above === undefined || !above.isRecording()) return act();
      const span = tracer.startSpan(name, { kind: SpanKind.INTERNAL }, trace.setSpan(ROOT_CONTEXT, above));
      try {
        return await current.run(span, act);
      } finally {
        span.end();
      }
    },
    traceId() {
      const span = current.getStore();
      return span?.isRecording() === true ? span.spanContext().traceId : undefined;
    },
    traceparent() {
      const span = current.getStore();
      if (span === undefined) return undefined;
      const { traceId, spanId, traceFlags } = span.spanContext();
      return `00-${traceId}-${spanId}-0${traceFlags & TraceFlags.SAMPLED}`;
    },
  };
}

/** What is not in the form of a parent is none. The rest of a caller's context, `tracestate`, could be any text, and is not passed on. */
function parentOf(traceparent: string | undefined): Context {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(traceparent ?? "") ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return ROOT_CONTEXT;
  if (traceId === NO_TRACE || spanId === NO_SPAN) return ROOT_CONTEXT;
  const traceFlags = Number.parseInt(flags, 16) & TraceFlags.SAMPLED;
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true });
}

/** @see OpenTelemetry semantic conventions 1.45.0, RPC and HTTP server spans */
function attributesOf(call: ServedCall): Attributes {
  return call.protocol === "grpc"
    ? { "rpc.system.name": "grpc", "rpc.method": call.name }
    : { "http.request.method": call.method, ...(call.route !== undefined && { "http.route": call.route }) };
}

function tellOutcome(span: Span, { protocol }: ServedCall, { status, reason, isFault }: ServedOutcome): void {
  span.setAttribute(protocol === "grpc" ? "rpc.response.status_code" : "http.response.status_code", status);
  if (reason !== undefined) span.setAttribute("stint.reason", reason);
  if (!isFault) return;
  span.setAttribute("error.type", String(status));
  span.setStatus({ code: SpanStatusCode.ERROR });
}

/** The library tells of its troubles in one place for the whole process. */
function toldOf(failed: (why: string) => void): DiagLogger {
  const nothing = () => undefined;
  const told = (message: string) => failed(message.slice(0, TOLD_MAX));
  return { error: told, warn: told, info: nothing, debug: nothing, verbose: nothing };
}
