import process from "node:process";
import { invalidField } from "../../domain/errors.ts";
import { ACTIONS, checkAudience } from "../../domain/grant.ts";
import { LIMITS } from "../../domain/limits.ts";
import { parseTrustDomain, type TrustDomain } from "../../domain/spiffe-id.ts";
import { SYSTEM_CLOCK, type VerifierClock } from "./clock.ts";
import { LIST_STALENESS_SECONDS_MIN, type StalenessBounds } from "./freshness.ts";
import { type HeardByIssuer, heardByIssuer, type IssuerRevocation } from "./issuer-settings.ts";
import type { ProofOptions } from "./proof-settings.ts";
import { keepReceiptKey, type ReceiptKey } from "./receipt-key.ts";

export type VerifierOptions = {
  /** The workload endpoint; default: `SPIFFE_ENDPOINT_SOCKET` of the environment. */
  readonly endpoint?: string;
  /**
   * How the verifier hears of keys and of what has ended. Default: by the feed of the workload endpoint, within milliseconds. The others are for
   * where that endpoint is not; `endpoint`, `grantsFrom`, `reportUsage` and `receiptKeyFile` go with the feed alone.
   */
  readonly revocation?: IssuerRevocation;
  /** What this verifier is: for an MCP server its canonical resource URI. Only denials for these are sent. */
  readonly audiences: readonly string[];
  /**
   * How old what it knows may be before it refuses, in seconds, by action; above 0, but for the feed 12 or more, and at most 60. Default:
   * `read` 60, everything else `default`, and that 15.
   */
  readonly maxStalenessSeconds?: StalenessBounds;
  /** Accepts a throw-away broker's trust domain. Never in production: anybody can make one. Default: false. */
  readonly development?: boolean;
  /** Accepts tokens for several audiences, which identify and grant nothing. Default: false. */
  readonly allowSeveralAudiences?: boolean;
  /**
   * Foreign trust domains whose grants count here: their brokers then decide what their agents may do with these tools, and a
   * step that ends there is refused here only once its token has expired. Default: none; what is foreign identifies, and is
   * granted nothing.
   */
  readonly grantsFrom?: readonly string[];
  /**
   * Tells the broker what became of calls, for its history: `report` counts them, and once a second they are sent. Default:
   * false.
   */
  readonly reportUsage?: boolean;
  /**
   * File of the key with which this verifier signs what it has applied, for closure receipts: made with mode 0600 where it is
   * missing, and never sent anywhere. Its public part goes into the verifier's entry. Default: nothing is signed.
   */
  readonly receiptKeyFile?: string;
  /** How the proofs of bound tokens are judged. */
  readonly proofs?: ProofOptions;
  /** Replaced in tests alone. */
  readonly clock?: VerifierClock;
};

export type VerifierSettings = Omit<
  Required<VerifierOptions>,
  "endpoint" | "revocation" | "grantsFrom" | "receiptKeyFile"
> & {
  readonly heardBy: HeardBy;
  readonly receiptKey: ReceiptKey | undefined;
  readonly grantsFrom: ReadonlySet<TrustDomain>;
};

type HeardBy = { readonly kind: "feed"; readonly endpoint: string } | HeardByIssuer;

const OF_THE_FEED = ["endpoint", "grantsFrom", "reportUsage", "receiptKeyFile"] as const;

/**
 * Checks what a verifier is created with, and fills in what is not given.
 *
 * @throws BrokerError INVALID_FIELD
 */
export function verifierSettingsOf(options: VerifierOptions): VerifierSettings {
  const heardBy = heardByOf(options);
  if (options.audiences.length === 0) throw invalidField("audiences", "at least one");
  for (const audience of options.audiences) checkAudience(audience, "audiences");
  const maxStalenessSeconds = options.maxStalenessSeconds ?? {};
  const known: readonly string[] = [...ACTIONS, "default"];
  const secondsMin = heardBy.kind === "feed" ? 0 : LIST_STALENESS_SECONDS_MIN;
  for (const [action, seconds] of Object.entries(maxStalenessSeconds)) {
    const field = "maxStalenessSeconds";
    if (!known.includes(action)) throw invalidField(field, `seconds for ${known.join(", ")}`);
    if (!(seconds > 0 && seconds >= secondsMin && seconds <= LIMITS.maxStalenessSecondsMax)) {
      const least = secondsMin === 0 ? "more than 0" : `at least ${secondsMin}, but for the feed,`;
      throw invalidField(`${field}.${action}`, `${least} and at most ${LIMITS.maxStalenessSecondsMax} seconds`);
    }
  }
  return {
    heardBy,
    audiences: [...options.audiences],
    maxStalenessSeconds,
    development: options.development ?? false,
    allowSeveralAudiences: options.allowSeveralAudiences ?? false,
    grantsFrom: new Set((options.grantsFrom ?? []).map((one) => parseTrustDomain(one, "grantsFrom"))),
    reportUsage: options.reportUsage ?? false,
    receiptKey: options.receiptKeyFile === undefined ? undefined : keepReceiptKey(options.receiptKeyFile),
    proofs: options.proofs ?? {},
    clock: options.clock ?? SYSTEM_CLOCK,
  };
}

function heardByOf(options: VerifierOptions): HeardBy {
  const { revocation } = options;
  if (revocation !== undefined) {
    for (const name of OF_THE_FEED) {
      if (options[name] !== undefined) throw invalidField(name, "nothing where `revocation` is not from the feed");
    }
    return heardByIssuer(revocation);
  }
  const endpoint = options.endpoint ?? process.env["SPIFFE_ENDPOINT_SOCKET"];
  if (endpoint === undefined || endpoint === "") {
    throw invalidField("endpoint", "the workload endpoint's socket, here or in SPIFFE_ENDPOINT_SOCKET");
  }
  return { kind: "feed", endpoint };
}
