import { Socket, type SocketConstructorOpts } from "node:net";

/*
 * A socket crosses to another process as the handle below it: sent as a socket, it would be read from as soon as it is there, and what
 * it reads then would be hidden from whoever looks at a client's first bytes. These are the two places that know of handles.
 */

/** What stands for the socket on the way; `undefined` of one that is closed. */
export function handleOf(socket: Socket): unknown {
  return Reflect.get(socket, "_handle") ?? undefined;
}

/** The socket of a handle that came, or of a descriptor: paused, and not read from, as a listener's that pauses on connect. */
export function unreadSocket(of: { readonly handle: unknown } | { readonly fd: number }): Socket {
  const options = { ...of, readable: true, writable: true, pauseOnCreate: true };
  return new Socket(options as SocketConstructorOpts);
}
