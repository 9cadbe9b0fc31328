import { BrokerError } from "../../domain/errors.ts";
import type { SpiffeId } from "../../domain/spiffe-id.ts";

/** Everything that can be said of an endpoint that gave no bundle, in words for operators. */
export type EndpointFailure =
  | "can't be reached"
  | "and the broker agree on no TLS 1.2 or later"
  | "shows a certificate that none of the web's authorities issued"
  | "shows a certificate for another host"
  | "shows a certificate that its trust domain did not issue"
  | `shows a certificate that is not for ${SpiffeId}`
  | "shows a certificate that is not valid now"
  | `did not answer within ${number} s`
  | "was not waited for"
  | "answers with something that is not HTTP"
  | "broke off its answer"
  | `answered ${number}`
  | "redirects permanently"
  | "redirects to another place"
  | `redirects more than ${number} times`
  | "compresses its answer, which was not asked for"
  | `answers with more than ${number} MiB`
  | "answers with something that is not UTF-8";

/** @param cause - says more; for the log alone, since a foreign server may have written a part of it. */
export function endpointFailure(what: EndpointFailure, cause?: unknown): BrokerError {
  const detail = detailOf(cause);
  return new BrokerError("NOT_SERVING", `the bundle endpoint ${what}`, detail === undefined ? {} : { detail });
}

function detailOf(cause: unknown): string | undefined {
  if (typeof cause === "string") return cause;
  if (!(cause instanceof Error)) return undefined;
  const code = codeOf(cause);
  return code === undefined ? cause.message : `${code}: ${cause.message}`;
}

/** The code by which Node.js and OpenSSL tell errors apart. */
export function codeOf(error: object): string | undefined {
  return "code" in error && typeof error.code === "string" ? error.code : undefined;
}
