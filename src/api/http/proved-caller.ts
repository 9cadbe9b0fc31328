import { TLSSocket } from "node:tls";
import type { HttpBindings } from "@hono/node-server";
import type { Context } from "hono";
import { BrokerError, type Denial, isDenial } from "../../domain/errors.ts";

/** Requests that know their connection. */
export type WithConnection = { readonly Bindings: HttpBindings };

/** Who may ask, and the form in which a route refuses. */
export type ProvedRoute<Caller extends object> = {
  /** Answer over plain HTTP: behind a proxy that ends TLS, no client could show a certificate. */
  needsTls(): Response;
  /** The caller at the other end of a connection, by its X.509-SVID as it is now; NO_IDENTITY where there is none. */
  callerOf(socket: TLSSocket): Promise<Caller | Denial>;
  refused(status: 401 | 403, message: string): Response;
  /** An error that is no answer. */
  failed(error: BrokerError): Response;
};

/**
 * Answers a caller whose connection proves who it is: over TLS 1.3, by a client certificate that is looked at with every
 * request. Whoever asks is looked at before the body: what a stranger sends is not even read.
 *
 * @see RFC 8705 section 2
 */
export async function answerProved<Caller extends object>(
  context: Context<WithConnection>,
  { needsTls, callerOf, refused, failed }: ProvedRoute<Caller>,
  answer: (caller: Caller) => Promise<Response>,
): Promise<Response> {
  const { socket } = context.env.incoming;
  if (!(socket instanceof TLSSocket)) return needsTls();
  if (socket.getProtocol() !== "TLSv1.3") return refused(401, "expected TLS 1.3");
  try {
    const caller: Caller | Denial = await callerOf(socket);
    if (isRefused(caller)) return refused(caller.code === "NO_IDENTITY" ? 401 : 403, caller.message);
    return await answer(caller);
  } catch (thrown) {
    if (!(thrown instanceof BrokerError)) throw thrown;
    return failed(thrown);
  }
}

function isRefused<Caller extends object>(caller: Caller | Denial): caller is Denial {
  return isDenial(caller);
}
