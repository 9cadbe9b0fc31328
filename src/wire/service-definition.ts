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
