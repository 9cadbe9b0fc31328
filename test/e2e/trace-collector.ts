import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

/** A span as OTLP/JSON has it, its attributes as an object. */
export type SentSpan = {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly kind: number;
  readonly status: { readonly code?: number };
  readonly attributes: Readonly<Record<string, unknown>>;
};

type SentValue = { readonly stringValue?: string; readonly intValue?: number | string };
type Sent = {
  readonly resourceSpans: readonly {
    readonly scopeSpans: readonly {
      readonly spans: readonly (Omit<SentSpan, "attributes"> & {
        readonly attributes: readonly { readonly key: string; readonly value: SentValue }[];
      })[];
    }[];
  }[];
};

export type Collector = {
  readonly url: string;
  readonly spans: readonly SentSpan[];
  /** All that was sent, as it came. */
  text(): string;
  readonly authorizations: ReadonlySet<string | undefined>;
};

/** A collector of OpenTelemetry's traces: OTLP over HTTP, as JSON. Gone with the test. */
export async function startCollector(): Promise<Collector> {
  const spans: SentSpan[] = [];
  const bodies: string[] = [];
  const authorizations = new Set<string | undefined>();
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = String(Buffer.concat(chunks));
    bodies.push(body);
    authorizations.add(request.headers.authorization);
    spans.push(...spansIn(JSON.parse(body) as Sent));
    response.writeHead(200, { "content-type": "application/json" }).end("{}");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/v1/traces`, spans, text: () => bodies.join("\n"), authorizations };
}

function spansIn({ resourceSpans }: Sent): readonly SentSpan[] {
  return resourceSpans
    .flatMap(({ scopeSpans }) => scopeSpans)
    .flatMap(({ spans }) => spans)
    .map((span) => ({
      ...span,
      attributes: Object.fromEntries(
        span.attributes.map(({ key, value }) => [key, value.stringValue ?? Number(value.intValue)]),
      ),
    }));
}
