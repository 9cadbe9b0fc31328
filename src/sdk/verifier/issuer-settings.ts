import { X509Certificate } from "node:crypto";
import { invalidField } from "../../domain/errors.ts";
import { FEED_SUBJECT_DEFAULT, type FeedSubjects, feedSubjects, isFeedSubject } from "../../domain/feed-message.ts";
import { checkResourceUri } from "../../domain/grant.ts";
import { parseTrustDomain, type TrustDomain } from "../../domain/spiffe-id.ts";
import type { BusConnection } from "./bus-connection.ts";
import type { IssuerPlace } from "./issuer-document.ts";
import type { TlsSvid } from "./tls-server.ts";

/** A broker whose documents are public. */
type OfIssuer = {
  /** The broker's issuer URL, exactly as its tokens have it as `iss`: a list or an event of any other is not looked at. */
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

/** Revocations by the OAuth Token Status Lists of a broker, which has `status_lists: true`. */
export type StatusListRevocation = OfIssuer & { readonly from: "status-list" };

/**
 * Revocations by the security events of a broker, which has `ssf.transmit: true`. The stream is its verifier entry's, of which one process
 * at a time is the receiver: what one has acknowledged no other is told.
 */
export type PollRevocation = OfIssuer & {
  readonly from: "poll";
  /** The verifier's own X.509-SVID as it is now, PEM; asked for with each poll. */
  readonly svid: () => TlsSvid | Promise<TlsSvid>;
};

/** Revocations over NATS, of a broker that has `nats`: for more verifiers than one broker holds. */
export type NatsRevocation = OfIssuer & {
  readonly from: "nats";
  /** To the servers on which the broker tells; its owner closes it. */
  readonly connection: BusConnection;
  /** The broker's `nats.subject`. Default: `stint`. */
  readonly subject?: string;
};

export type IssuerRevocation = StatusListRevocation | PollRevocation | NatsRevocation;

type IssuerAt = { readonly issuer: string; readonly trustDomain: TrustDomain; readonly place: IssuerPlace };

export type HeardByIssuer = IssuerAt &
  (
    | { readonly kind: "status-list" }
    | { readonly kind: "poll"; readonly svid: PollRevocation["svid"] }
    | { readonly kind: "nats"; readonly connection: BusConnection; readonly subjects: FeedSubjects }
  );

const LOOPBACK: readonly string[] = ["localhost", "127.0.0.1", "[::1]"];

/** @throws BrokerError INVALID_FIELD */
export function heardByIssuer(revocation: IssuerRevocation): HeardByIssuer {
  const { from, issuer, trustDomain, url = issuer, roots } = revocation;
  checkResourceUri(issuer, "revocation.issuer");
  checkResourceUri(url, "revocation.url");
  const { protocol, hostname, search } = new URL(url);
  if (search !== "" || (protocol !== "https:" && !LOOPBACK.includes(hostname))) {
    throw invalidField("revocation.url", "an https URL without a query, or one of this machine");
  }
  if (roots !== undefined) checkRoots(roots);
  const at = {
    issuer,
    trustDomain: parseTrustDomain(trustDomain, "revocation.trustDomain"),
    place: { url, roots },
  };
  switch (from) {
    case "status-list":
      return { kind: from, ...at };
    case "poll":
      if (protocol !== "https:")
        throw invalidField("revocation.url", "an https URL, where the verifier shows who it is");
      return { kind: from, ...at, svid: revocation.svid };
    case "nats": {
      const { connection, subject = FEED_SUBJECT_DEFAULT } = revocation;
      if (connection.isClosed()) throw invalidField("revocation.connection", "one that is open");
      if (!isFeedSubject(subject)) throw invalidField("revocation.subject", "the `nats.subject` of the broker");
      return { kind: from, ...at, connection, subjects: feedSubjects(subject) };
    }
    default:
      throw invalidField("revocation.from", "status-list, poll or nats");
  }
}

function checkRoots(roots: string): void {
  try {
    new X509Certificate(roots);
  } catch {
    throw invalidField("revocation.roots", "certificates in PEM");
  }
}
