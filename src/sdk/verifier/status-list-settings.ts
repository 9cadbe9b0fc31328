import { invalidField } from "../../domain/errors.ts";
import { checkResourceUri } from "../../domain/grant.ts";
import { parseTrustDomain, type TrustDomain } from "../../domain/spiffe-id.ts";
import type { IssuerPlace } from "./issuer-document.ts";

/** Revocations by the OAuth Token Status Lists of a broker, which has `status_lists: true`. */
export type StatusListRevocation = {
  readonly from: "status-list";
  /** The broker's issuer URL, exactly as its tokens have it as `iss`: a list of any other is not looked at. */
  readonly issuer: string;
  /** The broker's trust domain, e.g. `example.org`; tokens of any other are refused. */
  readonly trustDomain: string;
  /**
   * Where the broker's keys and lists are fetched: https, or http to this machine; whatever a token says, nothing else is fetched. Default:
   * `issuer`.
   */
  readonly url?: string;
  /** Certificates of those who may vouch for that server, PEM. Default: those that Node.js has. */
  readonly roots?: string;
};

export type StatusListPlace = {
  readonly issuer: string;
  readonly trustDomain: TrustDomain;
  readonly place: IssuerPlace;
};

const LOOPBACK: readonly string[] = ["localhost", "127.0.0.1", "[::1]"];

/** @throws BrokerError INVALID_FIELD */
export function statusListPlaceOf({
  from,
  issuer,
  trustDomain,
  url = issuer,
  roots,
}: StatusListRevocation): StatusListPlace {
  if (from !== "status-list") throw invalidField("revocation.from", "status-list");
  checkResourceUri(issuer, "revocation.issuer");
  checkResourceUri(url, "revocation.url");
  const { protocol, hostname, search } = new URL(url);
  if (search !== "" || (protocol !== "https:" && !LOOPBACK.includes(hostname))) {
    throw invalidField("revocation.url", "an https URL without a query, or one of this machine");
  }
  return {
    issuer,
    trustDomain: parseTrustDomain(trustDomain, "revocation.trustDomain"),
    place: { url, roots },
  };
}
