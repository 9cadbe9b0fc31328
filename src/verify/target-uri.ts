/** RFC 3986 section 2: every character that a URI may have; a `%` begins an escape and nothing else. */
const URI = /^(?:[A-Za-z0-9\-._~:/[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+$/;
const UNRESERVED = /[A-Za-z0-9\-._~]/;

/**
 * An HTTP target URI without query and fragment, in the form in which two URIs are compared: scheme and host in lower
 * case, no default port, no dot segments, `/` for an empty path, and nothing escaped that needs no escape. Anything
 * further, such as a trailing slash, makes another URI.
 *
 * @returns `undefined` for anything else, such as a URI with a query, a fragment or a user.
 * @see RFC 9449 section 4.3, RFC 3986 sections 6.2.2 and 6.2.3
 */
export function normalizeTargetUri(text: string): string | undefined {
  if (!URI.test(text) || !/^https?:\/\/[^/]/i.test(text)) return undefined;
  const unescaped = text.replaceAll(/%[0-9A-Fa-f]{2}/g, (escaped) => {
    const character = String.fromCharCode(Number.parseInt(escaped.slice(1), 16));
    return UNRESERVED.test(character) ? character : escaped.toUpperCase();
  });
  const url = URL.canParse(unescaped) ? new URL(unescaped) : undefined;
  return url === undefined || url.username !== "" || url.password !== "" ? undefined : url.href;
}

/** The target URI of a request's URL: what is left of it without query and fragment. RFC 9449 section 4.2. */
export function withoutQuery(url: string): string {
  return url.replace(/[?#].*$/s, "");
}
