/**
 * The granted location a URL belongs to: the longest one that has its origin and whose path is the URL's or stands
 * above it. `https://a/mcp` holds `https://a/mcp/x` and not `https://a/mcpx`.
 *
 * A location with a query holds that one URL only. A path that turns into dot segments once a server decodes its
 * slashes belongs nowhere, since it names something else than it seems to.
 *
 * @param url - absolute, as the URL parser normalized it.
 * @param locations - canonical resource URIs, the locations of a grant.
 * @returns `undefined` when none holds it.
 * @see RFC 8707 section 2, RFC 3986 section 5.2.4
 */
export function locationFor(url: URL, locations: readonly string[]): string | undefined {
  if (hidesDotSegments(url.pathname)) return undefined;
  let longest: string | undefined;
  for (const location of locations) {
    if (!URL.canParse(location) || !holds(new URL(location), url)) continue;
    if (longest === undefined || location.length > longest.length) longest = location;
  }
  return longest;
}

function holds(location: URL, url: URL): boolean {
  // A URL of another scheme than http(s) has the origin "null", which equals that of any other such URL.
  if (url.protocol !== "https:" && url.protocol !== "http:") return false;
  if (location.origin !== url.origin) return false;
  if (location.search !== "") return location.pathname === url.pathname && location.search === url.search;
  const above = location.pathname.endsWith("/") ? location.pathname : `${location.pathname}/`;
  return url.pathname === location.pathname || url.pathname.startsWith(above);
}

function hidesDotSegments(path: string): boolean {
  return path
    .replaceAll(/%2f|%5c/gi, "/")
    .replaceAll(/%2e/gi, ".")
    .split("/")
    .some((one) => one === "." || one === "..");
}
