import {
  type ChannelOptions,
  Client,
  credentials,
  Metadata,
  type MethodDefinition,
  Server,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import { createUnixAttestor, type UnixPeer } from "../../../src/adapters/attestor-unix/unix-attestor.ts";
import { CONNECTION_OPTIONS } from "../../../src/api/endpoint/connections.ts";
import { listenOnUnix, type UnixEndpoint, type UnixEndpointOptions } from "../../../src/api/endpoint/unix-endpoint.ts";
import { BrokerError } from "../../../src/domain/errors.ts";
import { type CallError, callErrorOf } from "../../../src/wire/call-error.ts";

const bytes = (value: Buffer): Buffer => value;

function unary(name: string): MethodDefinition<Buffer, Buffer> {
  return {
    path: `/stint.test.Who/${name}`,
    requestStream: false,
    responseStream: false,
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  };
}

/** `Am` answers who is asking, `Wait` answers when it is let, `Echo` what it is sent. */
const METHODS = { Am: unary("Am"), Wait: unary("Wait"), Echo: unary("Echo") } as const;

export type WhoEndpoint = {
  readonly endpoint: UnixEndpoint<UnixPeer>;
  readonly server: Server;
  /** Calls of `Wait` that have arrived: each is answered when its function is called, which says with what. */
  readonly waiting: (() => Promise<string>)[];
  close(): void;
};

/** A real endpoint with a real attestor, and a service that tells callers who they are. */
export async function serveWho(
  options: Pick<UnixEndpointOptions<UnixPeer>, "path" | "mode" | "connectionsPerUidMax" | "silenceMs" | "onRefused"> &
    Partial<Pick<UnixEndpointOptions<UnixPeer>["descriptors"], "openPair">>,
  channelOptions: ChannelOptions = CONNECTION_OPTIONS,
): Promise<WhoEndpoint> {
  const unix = createUnixAttestor();
  const server = new Server(channelOptions);
  const endpoint = await listenOnUnix({
    ...options,
    descriptors: { ...unix.descriptors, ...options },
    server,
    adopt: unix.adopt,
  });
  const waiting: (() => Promise<string>)[] = [];

  async function whoIs(call: { getPeer(): string }): Promise<Buffer> {
    const { uid, selectors } = await unix.attestor.attest(endpoint.peerOf(call), { executableDigest: false });
    return Buffer.from(JSON.stringify({ uid, selectors: [...selectors] }));
  }

  server.addService(METHODS, {
    Am: (call: Call, callback: Callback) => void answer(whoIs(call), callback),
    Wait: (call: Call, callback: Callback) => {
      waiting.push(() => answer(whoIs(call), callback));
    },
    Echo: (call: Call, callback: Callback) => callback(null, call.request),
  });
  return {
    endpoint,
    server,
    waiting,
    close() {
      endpoint.close();
      server.forceShutdown();
      unix.close();
    },
  };
}

type Call = { getPeer(): string; readonly request: Buffer };
type Callback = (error: Partial<ServiceError> | null, value?: Buffer) => void;

async function answer(value: Promise<Buffer>, callback: Callback): Promise<string> {
  try {
    const answered = await value;
    callback(null, answered);
    return String(answered);
  } catch (error) {
    const details = error instanceof BrokerError ? `${error.code}: ${error.message}` : String(error);
    callback({ code: status.PERMISSION_DENIED, details });
    return details;
  }
}

export type WhoClient = {
  /** The answer, or the error's details. */
  call(method: keyof typeof METHODS, metadata?: Readonly<Record<string, string>>): Promise<string>;
  /** The error, of a call that is refused. */
  refusal(method: keyof typeof METHODS): Promise<CallError>;
  close(): void;
};

export function whoClient(path: string): WhoClient {
  const client = new Client(`unix:${path}`, credentials.createInsecure());
  function ask(method: keyof typeof METHODS, extra: Readonly<Record<string, string>>): Promise<string> {
    const metadata = new Metadata();
    for (const [key, value] of Object.entries(extra)) metadata.set(key, value);
    const deadline = Date.now() + 10_000;
    return new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        METHODS[method].path,
        bytes,
        bytes,
        Buffer.from("x"),
        metadata,
        { deadline },
        (error, value) => (error === null ? resolve(String(value)) : reject(error)),
      );
    });
  }
  return {
    call: (method, extra = {}) => ask(method, extra).catch((error: ServiceError) => error.details),
    refusal: (method) =>
      ask(method, {}).then((answered) => {
        throw new Error(`answered: ${answered}`);
      }, callErrorOf),
    close: () => client.close(),
  };
}
