import type { Authority } from "./authority.ts";
import type { AuthorityPut } from "./ledger-event.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));

/** An authority as its event holds it, with bytes in hexadecimal. Without `tainted`, which has an event of its own. */
export function recordedAuthority(authority: Authority): AuthorityPut["authority"] {
  const { publicKey, certificate, upstream, tainted: _, ...rest } = authority;
  return {
    ...rest,
    publicKey: hex(publicKey),
    ...(certificate === undefined ? {} : { certificate: hex(certificate) }),
    ...(upstream === undefined ? {} : { upstream: upstream.map(hex) }),
  };
}

/** The authority that an event holds. */
export function authorityFrom(recorded: AuthorityPut["authority"]): Authority {
  const { publicKey, certificate, upstream, ...rest } = recorded;
  return {
    ...rest,
    publicKey: bytesOf(publicKey),
    ...(certificate === undefined ? {} : { certificate: bytesOf(certificate) }),
    ...(upstream === undefined ? {} : { upstream: upstream.map(bytesOf) }),
  };
}
