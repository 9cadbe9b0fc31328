import {
  create,
  type DescMessage,
  type DescMethod,
  type DescService,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import type {
  handleBidiStreamingCall,
  handleClientStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
  MethodDefinition,
  Server,
  ServiceDefinition,
  UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { BrokerError, invalidField } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import { EncodedMessage } from "./encoded-message.ts";

/** A request as it came in: the message, or the reason why the bytes are no message. */
export type Received<Message> = Message | BrokerError;

/**
 * The grpc-js handlers of a service, by the methods' local names. Responses may be given as plain objects; those of a
 * stream in both directions also as bytes.
 */
export type HandlersOf<Service extends DescService> = {
  readonly [Name in keyof Service["method"]]: HandlerOf<Service["method"][Name]>;
};

type HandlerOf<Method> = Method extends {
  methodKind: infer Kind;
  input: infer Input extends DescMessage;
  output: infer Output extends DescMessage;
}
  ? Kind extends "unary"
    ? handleUnaryCall<Received<MessageShape<Input>>, MessageInitShape<Output>>
    : Kind extends "server_streaming"
      ? handleServerStreamingCall<Received<MessageShape<Input>>, MessageInitShape<Output>>
      : Kind extends "client_streaming"
        ? handleClientStreamingCall<Received<MessageShape<Input>>, MessageInitShape<Output>>
        : handleBidiStreamingCall<Received<MessageShape<Input>>, MessageInitShape<Output> | EncodedMessage>
  : never;

/**
 * The message that was received.
 *
 * @throws BrokerError INVALID_FIELD when the bytes were not this message; LIMIT_EXCEEDED when they were too many
 */
export function receivedMessage<Message>(received: Received<Message>): Message {
  if (received instanceof BrokerError) throw received;
  return received;
}

/**
 * The grpc-js definition of a service described by protobuf-es. Fields that this version does not know are skipped.
 *
 * Requests are `Received`: when a deserializer throws, or a request is above grpc-js's own size limit, grpc-js answers
 * without a reason, past every interceptor. So bad bytes become a value, which the handler answers.
 */
function serviceDefinitionOf<Service extends DescService>(service: Service): ServiceDefinition<HandlersOf<Service>> {
  const definition: Record<string, MethodDefinition<unknown, unknown>> = {};
  for (const method of service.methods) definition[method.localName] = methodDefinitionOf(method);
  return definition as ServiceDefinition<HandlersOf<Service>>;
}

/** Adds a service to a server. */
export function addService<Service extends DescService>(
  server: Server,
  service: Service,
  handlers: HandlersOf<Service>,
): void {
  server.addService(serviceDefinitionOf(service), handlers as UntypedServiceImplementation);
}

/** Serves a call of any method without looking into its messages. @param path - the method's, e.g. `/stint.v1.Steps/Open`. */
export type RawHandler = (path: string) => handleBidiStreamingCall<Buffer, Buffer>;

/** Adds a service of which some methods are served here, and all others by `raw`. */
export function addServiceBeside<Service extends DescService>(
  server: Server,
  service: Service,
  handlers: Partial<HandlersOf<Service>>,
  raw: RawHandler,
): void {
  const served = service.methods.filter(({ localName }) => localName in handlers);
  const others = service.methods.filter(({ localName }) => !(localName in handlers));
  if (served.length > 0) {
    const definitions = served.map((method) => [method.localName, methodDefinitionOf(method)] as const);
    server.addService(Object.fromEntries(definitions), handlers as UntypedServiceImplementation);
  }
  addRaw(
    server,
    others.map((method) => methodDefinitionOf(method).path),
    raw,
  );
}

/** Adds methods by their paths alone. Every call is one of streams both ways: on the wire all kinds of calls look alike. */
function addRaw(server: Server, paths: readonly string[], raw: RawHandler): void {
  const definitions = paths.map((path) => [path, { path, ...RAW }] as const);
  server.addService(Object.fromEntries(definitions), Object.fromEntries(paths.map((path) => [path, raw(path)])));
}

const asItIs = (bytes: Buffer): Buffer => bytes;
const RAW = {
  requestStream: true,
  responseStream: true,
  requestSerialize: asItIs,
  requestDeserialize: asItIs,
  responseSerialize: asItIs,
  responseDeserialize: asItIs,
} as const;

/** One method, for both sides: a client deserializes responses and throws, a server deserializes requests and does not. */
export function methodDefinitionOf(method: DescMethod): MethodDefinition<unknown, unknown> {
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    originalName: method.localName,
    requestStream: method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming",
    responseStream: method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming",
    requestSerialize: (value) => encode(method.input, value),
    requestDeserialize: (bytes) => receive(method.input, bytes),
    responseSerialize: (value) => (value instanceof EncodedMessage ? value.bytes : encode(method.output, value)),
    responseDeserialize: (bytes) => fromBinary(method.output, bytes, { readUnknownFields: false }),
  };
}

function encode(message: DescMessage, value: unknown): Buffer {
  const bytes = toBinary(message, create(message, value as MessageInitShape<DescMessage>));
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function receive(message: DescMessage, bytes: Uint8Array): unknown {
  if (bytes.length > LIMITS.requestBytesMax) {
    return new BrokerError("LIMIT_EXCEEDED", `request: at most ${LIMITS.requestBytesMax} bytes`);
  }
  try {
    return fromBinary(message, bytes, { readUnknownFields: false });
  } catch (thrown) {
    const refusal = invalidField("request", `a well-formed ${message.typeName}`);
    return new BrokerError(refusal.code, refusal.message, { metadata: refusal.metadata, cause: thrown });
  }
}
