/**
 * The URI that a request was sent to, as its client wrote it: of the resource's own origin, whatever host the proxies on
 * the way made of it; and of the resource's own path, where they made that another one too.
 *
 * @param resource - the server's canonical URI.
 * @param url - what arrived.
 */
export function requestTargetOf(resource: string, url: string): string {
  const { origin, pathname: own } = new URL(resource);
  const { pathname } = new URL(url);
  const isWithin = pathname === own || pathname.startsWith(own.endsWith("/") ? own : `${own}/`);
  // As text, since a path that begins with two slashes would be read as a host.
  return `${origin}${isWithin ? pathname : own}`;
}
