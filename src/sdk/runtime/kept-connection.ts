import type { DescService } from "@bufbuild/protobuf";
import { type Channel, connectivityState } from "@grpc/grpc-js";
import { openTlsChannel } from "../../wire/channel.ts";
import { type ClientOf, createClient } from "../../wire/client.ts";
import type { RuntimeSvid } from "./newest-svid.ts";

/** A connection that is replaced as its X.509-SVID is: the next is up before the last goes. */
export type KeptConnection = {
  /** A client whose every call takes the connection that is newest then. Unary calls and server streams alone. */
  clientOf<Service extends DescService>(service: Service): ClientOf<Service>;
  close(): void;
};

/** A broker that is not there can't be waited for longer by a connection than by a call. */
const CONNECT_MS_MAX = 10_000;
/** Calls that were under way when the connection was replaced have so long to end; a stream comes back by itself. */
const RETIRE_MS = 5_000;

type Call = (request: unknown, options?: object) => unknown;

export function keepConnection(endpoint: string, identity: RuntimeSvid): KeptConnection {
  const retired = new Set<Channel>();
  let newest: Channel | undefined;
  let isClosed = false;

  async function channel(): Promise<Channel> {
    // Also where there is a connection: without an SVID it is of no use, and why there is none is told here.
    const present = await identity.current();
    newest ??= openTlsChannel(endpoint, present);
    return newest;
  }

  identity.onChange((next) => {
    // Before the first call there is nothing to replace.
    if (newest === undefined || isClosed) return;
    const candidate = openTlsChannel(endpoint, next);
    connected(candidate).then(
      () => replace(candidate),
      // The old one is good until its SVID ends; by then there is another.
      () => candidate.close(),
    );
  });

  function replace(next: Channel): void {
    if (isClosed) {
      next.close();
      return;
    }
    const last = newest;
    newest = next;
    if (last === undefined) return;
    retired.add(last);
    setTimeout(() => {
      retired.delete(last);
      last.close();
    }, RETIRE_MS).unref();
  }

  return {
    clientOf<Service extends DescService>(service: Service) {
      const clients = new WeakMap<Channel, ClientOf<Service>>();
      const clientOn = (on: Channel): ClientOf<Service> => {
        const known = clients.get(on) ?? createClient(service, on, { securityHeader: "broker.spiffe.io" });
        clients.set(on, known);
        return known;
      };
      const calls: Record<string, unknown> = {};
      for (const { localName, methodKind } of service.methods) {
        const call = async (request: unknown, options?: object) => {
          const client = clientOn(await channel()) as unknown as Record<string, Call>;
          return client[localName]?.(request, options);
        };
        calls[localName] = methodKind === "unary" ? call : streaming(call);
      }
      return calls as ClientOf<Service>;
    },
    close() {
      isClosed = true;
      newest?.close();
      for (const one of retired) one.close();
    },
  };
}

/** A stream of messages, whose connection is chosen when the first is asked for. */
function streaming(call: (request: unknown, options?: object) => Promise<unknown>) {
  return async function* (request: unknown, options?: object): AsyncGenerator<unknown, undefined, void> {
    yield* (await call(request, options)) as AsyncIterable<unknown>;
    return undefined;
  };
}

async function connected(channel: Channel): Promise<void> {
  const deadline = Date.now() + CONNECT_MS_MAX;
  let state = channel.getConnectivityState(true);
  while (state !== connectivityState.READY) {
    const seen = state;
    await new Promise<void>((resolve, reject) => {
      channel.watchConnectivityState(seen, deadline, (error) => (error ? reject(error) : resolve()));
    });
    state = channel.getConnectivityState(true);
  }
}
