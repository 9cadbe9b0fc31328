import type { TLSSocket } from "node:tls";
import { type Context, Hono } from "hono";
import { BrokerError, type Denial } from "../../domain/errors.ts";
import { DELIVERIES, type EventStream } from "../../domain/event-stream.ts";
import { LIMITS } from "../../domain/limits.ts";
import { SENT_EVENTS } from "../../domain/security-event.ts";
import { type JsonObject, parseStrictText } from "../../domain/strict-json.ts";
import { type Receiver, type StreamManagement, VERIFICATION_SECONDS_MIN } from "../../signals/manage-streams.ts";
import type { Polled } from "../../signals/poll-events.ts";
import { answerWith, issuerPrefixes, NO_STORE_PRAGMA } from "./document.ts";
import { answerProved, type WithConnection } from "./proved-caller.ts";
import type { FormPaths } from "./request-guard.ts";

export type SsfFacts = {
  /** The receiver at the other end of a connection, by its X.509-SVID as it is now; NO_IDENTITY, NOT_ENTITLED. */
  receiverOf(socket: TLSSocket): Promise<Receiver | Denial>;
  readonly streams: StreamManagement;
  poll(stream: EventStream, receiver: Receiver, request: JsonObject, gone: AbortSignal): Promise<Polled>;
  /** The broker's issuer URL; where it has a path, everything is below that path too. */
  readonly issuer: string;
};

const WELL_KNOWN = "/.well-known/ssf-configuration";
const STREAM = "/ssf/stream";
const STATUS = "/ssf/status";
const VERIFY = "/ssf/verify";
const POLL = "/ssf/poll";
const CONFIGURATION_MAX_AGE_SECONDS = 3_600;
const NEEDS_TLS = "streams are managed over TLS 1.3 with a client certificate\n";

/** The paths that take more than GET: at the root, and below the issuer's path too, where the issuer has one. */
export function ssfForms(issuer: string): FormPaths {
  const terms = { bytesMax: LIMITS.requestBytesMax, media: "json" } as const;
  const paths = [
    [STREAM, { ...terms, methods: ["GET", "POST", "PUT", "PATCH", "DELETE"] }],
    [STATUS, { ...terms, methods: ["GET", "POST"] }],
    [VERIFY, terms],
    [POLL, terms],
  ] as const;
  return new Map(issuerPrefixes(issuer).flatMap((at) => paths.map(([path, one]) => [at + path, one] as const)));
}

/**
 * What the transmitter says of itself. What it does not name is not there: a stream's subjects are those that may be presented
 * at its receiver's audiences, and are neither added nor removed.
 *
 * @see SSF 1.0 section 7.1
 */
function ssfConfiguration(issuer: string): JsonObject {
  return {
    spec_version: "1_0",
    issuer,
    jwks_uri: `${issuer}/keys/events.json`,
    delivery_methods_supported: Object.values(DELIVERIES),
    configuration_endpoint: issuer + STREAM,
    status_endpoint: issuer + STATUS,
    verification_endpoint: issuer + VERIFY,
    authorization_schemes: [{ spec_urn: "urn:ietf:rfc:8705" }],
    default_subjects: "ALL",
  };
}

/**
 * Streams of security events, for verifiers: each manages the one of its entry, and is known by the X.509-SVID of its
 * connection, looked at anew with every request.
 *
 * @see SSF 1.0 sections 7 and 8; RFC 8936; RFC 8705 section 2
 */
export function ssfRoutes(facts: SsfFacts): Hono {
  const routes = new Hono<WithConnection>();
  const { streams, issuer } = facts;
  const shown = (receiver: Receiver, stream: EventStream) => streamMember(receiver, stream, issuer);

  for (const prefix of issuerPrefixes(issuer)) {
    // The well-known part stands between host and path.
    routes.get(WELL_KNOWN + prefix, (context) =>
      answerWith(context, {
        body: JSON.stringify(ssfConfiguration(issuer)),
        mediaType: "application/json",
        maxAgeSeconds: CONFIGURATION_MAX_AGE_SECONDS,
      }),
    );
    routes.get(prefix + STREAM, (context) =>
      answering(context, facts, async (receiver) => {
        const streamId = context.req.query("stream_id");
        const stream = streams.find(receiver, streamId);
        if (streamId === undefined) return context.json(stream === undefined ? [] : [shown(receiver, stream)], 200);
        return stream === undefined ? notFound(context) : context.json(shown(receiver, stream), 200);
      }),
    );
    routes.post(prefix + STREAM, (context) =>
      answering(context, facts, async (receiver) => {
        if (streams.find(receiver, undefined) !== undefined) {
          return failed(context, 409, "stream_id: of the one stream that the receiver has");
        }
        return context.json(shown(receiver, await streams.create(receiver, await bodyOf(context))), 201);
      }),
    );
    for (const [method, whole] of [
      ["PATCH", false],
      ["PUT", true],
    ] as const) {
      routes.on(method, prefix + STREAM, (context) =>
        withStream(context, facts, async (receiver, stream, asked) =>
          context.json(shown(receiver, await streams.change(receiver, stream, asked, whole)), 200),
        ),
      );
    }
    routes.delete(prefix + STREAM, (context) =>
      answering(context, facts, async (receiver) => {
        const stream = named(facts, receiver, context.req.query("stream_id"));
        if (stream === undefined) return notFound(context);
        await streams.remove(receiver, stream);
        return context.body(null, 204);
      }),
    );
    routes.get(prefix + STATUS, (context) =>
      answering(context, facts, async (receiver) => {
        const stream = named(facts, receiver, context.req.query("stream_id"));
        return stream === undefined ? notFound(context) : context.json(statusMember(stream), 200);
      }),
    );
    routes.post(prefix + STATUS, (context) =>
      withStream(context, facts, async (receiver, stream, asked) =>
        context.json(statusMember(await streams.setStatus(receiver, stream, asked)), 200),
      ),
    );
    routes.post(prefix + VERIFY, (context) =>
      withStream(context, facts, async (_, stream, asked) =>
        streams.verify(stream, asked)
          ? context.body(null, 204)
          : failed(context, 429, `one verification in ${VERIFICATION_SECONDS_MIN} s`),
      ),
    );
    routes.post(prefix + POLL, (context) =>
      answering(context, facts, async (receiver) => {
        const stream = streams.find(receiver, undefined);
        if (stream?.delivery !== "poll") return notFound(context);
        return context.json(await facts.poll(stream, receiver, await bodyOf(context), context.req.raw.signal), 200);
      }),
    );
  }
  return routes as unknown as Hono;
}

/**
 * A stream as its receiver sees it. `audiences` is ours: what ends is told where it may be presented at one of these, so a receiver that
 * answers for another knows that it would not hear.
 *
 * @see SSF 1.0 section 8.1.1
 */
function streamMember({ entry }: Receiver, stream: EventStream, issuer: string): JsonObject {
  const { streamId, delivery, events, description } = stream;
  const url = delivery === "poll" ? issuer + POLL : entry.content.eventsUrl;
  return {
    stream_id: streamId,
    iss: issuer,
    aud: entry.spiffeId,
    delivery: { method: DELIVERIES[delivery], ...(url === undefined ? {} : { endpoint_url: url }) },
    events_supported: Object.values(SENT_EVENTS),
    events_delivered: [...events],
    min_verification_interval: VERIFICATION_SECONDS_MIN,
    audiences: entry.content.audiences,
    ...(description === undefined ? {} : { description }),
  };
}

/** @see SSF 1.0 section 8.1.2.1 */
function statusMember({ streamId, status, reason }: EventStream): JsonObject {
  return { stream_id: streamId, status, ...(reason === undefined ? {} : { reason }) };
}

function answering(
  context: Context<WithConnection>,
  { receiverOf }: SsfFacts,
  answer: (receiver: Receiver) => Promise<Response>,
): Promise<Response> {
  for (const [name, value] of Object.entries(NO_STORE_PRAGMA)) context.header(name, value);
  return answerProved(
    context,
    {
      needsTls: () => context.text(NEEDS_TLS, 404),
      callerOf: receiverOf,
      refused: (status, message) => failed(context, status, message),
      failed({ code, message }) {
        const status = { INVALID_FIELD: 400, NOT_ENTITLED: 403 } as const;
        return failed(context, code in status ? status[code as keyof typeof status] : 503, message);
      },
    },
    answer,
  );
}

/** For requests whose body names the stream. */
function withStream(
  context: Context<WithConnection>,
  facts: SsfFacts,
  answer: (receiver: Receiver, stream: EventStream, asked: JsonObject) => Promise<Response>,
): Promise<Response> {
  return answering(context, facts, async (receiver) => {
    const asked = await bodyOf(context);
    const { stream_id: streamId } = asked;
    const stream = typeof streamId === "string" ? named(facts, receiver, streamId) : undefined;
    return stream === undefined ? notFound(context) : answer(receiver, stream, asked);
  });
}

function named({ streams }: SsfFacts, receiver: Receiver, streamId: string | undefined): EventStream | undefined {
  return streamId === undefined ? undefined : streams.find(receiver, streamId);
}

async function bodyOf(context: Context): Promise<JsonObject> {
  const body = parseStrictText(await context.req.text());
  if (body !== undefined) return body;
  throw new BrokerError("INVALID_FIELD", "body: a JSON object without repeated members");
}

function notFound(context: Context): Response {
  return failed(context, 404, "stream_id: of a stream that the receiver has");
}

/** A refusal in the form of RFC 8935 section 2.3, which SSF leaves open. */
function failed(context: Context, status: 400 | 401 | 403 | 404 | 409 | 429 | 503, description: string): Response {
  const err = status === 401 ? "authentication_failed" : status === 403 ? "access_denied" : "invalid_request";
  return context.json({ err, description }, status);
}
