import { BrokerError, invalidField, isDenial } from "../domain/errors.ts";
import { machineIn } from "../domain/node-machine.ts";
import { remoteProcess } from "../domain/process.ts";
import { isInfrastructure, type RegistrationEntry } from "../domain/registration-entry.ts";
import { type Selector, selector } from "../domain/selector.ts";
import type { Attested } from "../domain/stages.ts";
import type { Clock } from "../ports/clock.ts";
import type { EntryDirectory } from "../ports/directories.ts";
import type { Challenger, EvidenceAttestor } from "../ports/evidence-attestor.ts";
import type { Ledger } from "../ports/ledger.ts";
import { checkCsr } from "../verify/csr-proof.ts";
import { attestedAs } from "./attest.ts";
import { NO_UID } from "./attest-svid.ts";
import { digestOfJoinToken, nameInJoinToken } from "./join-token.ts";

/** What a workload claims to be, and the evidence for the claim. */
export type Claim = {
  readonly evidence: Evidence;
  /** PKCS#10, DER. */
  readonly csr: Uint8Array;
  /** `kind/name` of the entry that the workload means; empty where its evidence matches only one entry. */
  readonly entry: string;
};

export type Evidence =
  | { readonly attestor: "oidc" | "x509pop"; readonly evidence: Uint8Array }
  | { readonly attestor: "join_token"; readonly token: string };

/** The caller that a claim's evidence stands for. Nothing may be issued to the caller before `spend`. */
export type Claimant = {
  readonly caller: Attested;
  readonly entry: RegistrationEntry;
  /** SubjectPublicKeyInfo, DER, of the request's own key. */
  readonly publicKey: Uint8Array;
  /**
   * Spends evidence that counts once.
   *
   * @throws BrokerError NO_IDENTITY when the evidence was spent before, has expired, or is no join token of this broker
   */
  readonly spend: () => Promise<void>;
};

export type AttestEvidencePorts = {
  /** The attestors that are configured. */
  readonly evidenceAttestors: { readonly [Kind in "oidc" | "x509pop"]?: EvidenceAttestor };
  /** Whether join tokens are evidence. */
  readonly takesJoinTokens: boolean;
  readonly entries: EntryDirectory;
  readonly ledger: Ledger;
  readonly clock: Pick<Clock, "now">;
};

/**
 * Makes a caller of a workload whose evidence matches the entry of a runtime, a verifier or an operator. The request
 * for a certificate is looked at first: a malformed request must not cost the workload its evidence.
 *
 * @throws BrokerError CSR_INVALID, KEY_REFUSED, INVALID_FIELD; NO_IDENTITY with a `detail` for the log
 */
export async function attestEvidence(
  claim: Claim,
  challenger: Challenger,
  ports: AttestEvidencePorts,
): Promise<Claimant> {
  const { publicKey } = checkCsr(claim.csr);
  const { selectors, isProved, spend } = await judged(claim, challenger, ports);
  const entry = entryFor(claim.entry, selectors, isProved, ports.entries);
  const machine = machineIn(entry, selectors);
  const caller = attestedAs({
    ...{ selectors, process: remoteProcess(entry.entryId, machine), uid: NO_UID, sharesPids: false, entries: [entry] },
    ...(machine === undefined ? {} : { machine }),
  });
  return { caller, entry, publicKey, spend };
}

/** The error for a workload that is refused an identity. The reason is for the log, or evidence could be tried out. */
export function uniformRefusal(thrown: unknown): unknown {
  if (!(thrown instanceof BrokerError)) return thrown;
  if (thrown.code !== "NO_IDENTITY" && thrown.code !== "NOT_ENTITLED") return thrown;
  return new BrokerError("NO_IDENTITY", "the evidence is not accepted", {
    detail: thrown.detail ?? thrown.message,
    cause: thrown,
  });
}

type Judged = {
  readonly selectors: ReadonlySet<Selector>;
  /** Whether the evidence was verified already, and not only its form. */
  readonly isProved: boolean;
  readonly spend: () => Promise<void>;
};

async function judged({ evidence, csr }: Claim, challenger: Challenger, ports: AttestEvidencePorts): Promise<Judged> {
  if (evidence.attestor === "join_token") return judgedToken(evidence.token, ports);
  const attestor = ports.evidenceAttestors[evidence.attestor];
  if (attestor === undefined) throw new BrokerError("NO_IDENTITY", `no ${evidence.attestor} attestor is configured`);
  const { selectors, spends } = await attestor.attest(evidence.evidence, challenger, csr);
  const spend = async (): Promise<void> => {
    if (spends === undefined) return;
    const { sha256, expiresAt } = spends;
    const now = ports.clock.now();
    const spent = await ports.ledger.perform({ act: "spend-evidence", attestor: "oidc", sha256, expiresAt, now });
    if (isDenial(spent)) throw new BrokerError("NO_IDENTITY", "the evidence was used before, or has expired");
  };
  return { selectors, isProved: true, spend };
}

/** Only the ledger knows whether a join token is good, and says so only by spending the token. */
function judgedToken(token: string, ports: AttestEvidencePorts): Judged {
  if (!ports.takesJoinTokens) throw new BrokerError("NO_IDENTITY", "join tokens are not evidence here");
  const name = nameInJoinToken(token);
  if (name === undefined) throw new BrokerError("NO_IDENTITY", "not the form of a join token");
  const sha256 = digestOfJoinToken(token);
  const spend = async (): Promise<void> => {
    const spent = await ports.ledger.perform({ act: "spend-join-token", sha256, now: ports.clock.now() });
    if (isDenial(spent)) throw new BrokerError("NO_IDENTITY", "the join token is unknown, spent, revoked or expired");
    if (spent.name !== name) throw new BrokerError("NO_IDENTITY", "the join token was made for another name");
  };
  return { selectors: new Set([selector("join_token:name", name)]), isProved: false, spend };
}

function entryFor(
  named: string,
  selectors: ReadonlySet<Selector>,
  isProved: boolean,
  entries: EntryDirectory,
): RegistrationEntry {
  const matching = entries.matching(selectors).filter(isInfrastructure);
  const meant = named === "" ? matching : matching.filter(({ content }) => `${content.kind}/${content.name}` === named);
  const [entry, another] = meant;
  if (entry === undefined) {
    throw new BrokerError("NO_IDENTITY", "no such entry of a runtime, a verifier or an operator matches the evidence", {
      detail: `no entry ${named === "" ? "" : "of the name given "}matches the selectors ${[...selectors].join(" ")}`,
    });
  }
  if (another === undefined) return entry;
  // A stranger who makes up a token must not learn which entries there are.
  if (!isProved) throw new BrokerError("NO_IDENTITY", "several entries match the join token, and none was named");
  throw invalidField("entry", "kind/name of one entry, since the evidence matches several");
}
