/**
 * A Request whose signal is the given one. The signal that a Request makes for itself falls silent when the Request is
 * collected, and most of who listens to it keeps nothing else of the Request.
 */
export function signalledRequest(url: string, init: RequestInit & { readonly signal: AbortSignal }): Request {
  return Object.defineProperty(new Request(url, init), "signal", { value: init.signal });
}
