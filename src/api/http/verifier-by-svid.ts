import type { TLSSocket } from "node:tls";
import { type Denial, denial, denialFrom, isDenial } from "../../domain/errors.ts";
import { formatProcess } from "../../domain/process.ts";
import { isOfKind, type VerifierEntry } from "../../domain/registration-entry.ts";
import type { Attested } from "../../domain/stages.ts";
import { secondsOf } from "../../domain/time.ts";
import type { Clock } from "../../ports/clock.ts";
import type { CredentialReads } from "../../ports/credential-reads.ts";
import { presentedChain } from "../../verify/presented-chain.ts";
import type { TlsIdentity } from "../endpoint/tls-endpoint.ts";
import { operatorActor } from "../grpc/revocations.ts";
import type { IntrospectionFacts } from "./introspection-routes.ts";
import type { RevocationFacts } from "./revocation-routes.ts";
import type { SsfFacts } from "./ssf-routes.ts";

export type VerifierBySvidPorts = {
  /**
   * Says whose chain this is, leaf first.
   *
   * @throws an error that says why the chain is nobody's
   */
  readonly identify: (chain: readonly Uint8Array[]) => TlsIdentity;
  /** @throws BrokerError NO_IDENTITY */
  readonly attest: (identity: TlsIdentity) => Promise<Attested>;
  readonly credentials: Pick<CredentialReads, "issuance">;
  readonly clock: Clock;
};

/** Knows a verifier by the client certificate of its connection. */
export function verifierBySvid(ports: VerifierBySvidPorts): IntrospectionFacts["verifierOf"] {
  return knownBySvid(ports, (caller) => verifierAmong(caller) ?? notEntitled("only verifiers introspect tokens"));
}

/** Knows a receiver of security events, which is a verifier, in the same way. */
export function receiverBySvid(ports: VerifierBySvidPorts): SsfFacts["receiverOf"] {
  return knownBySvid(ports, (caller) => {
    const entry = verifierAmong(caller);
    if (entry === undefined) return notEntitled("only verifiers are sent security events");
    return { entry, by: { kind: "entry", entryId: entry.entryId, process: formatProcess(caller.process) } };
  });
}

/** Knows an operator who may revoke in the same way. */
export function operatorBySvid(ports: VerifierBySvidPorts): RevocationFacts["operatorOf"] {
  return knownBySvid(ports, (caller) => {
    try {
      return { by: operatorActor(caller, ["admin"]) };
    } catch (thrown) {
      return denialFrom(thrown);
    }
  });
}

function knownBySvid<Known>(ports: VerifierBySvidPorts, known: (caller: Attested) => Known | Denial) {
  const callerOf = callerBySvid(ports);
  return async (socket: TLSSocket): Promise<Known | Denial> => {
    const caller = await callerOf(socket);
    return isDenial(caller) ? caller : known(caller);
  };
}

function verifierAmong({ entries }: Attested): VerifierEntry | undefined {
  return entries.find((entry) => isOfKind(entry, "verifier"));
}

function notEntitled(message: string): Denial {
  return denial("NOT_ENTITLED", message);
}

/**
 * Knows a caller by the client certificate of its connection. The handshake has proved the key; all else is looked at
 * with each request, since a connection may outlive its SVID, the SVID's revocation, and the entry.
 */
export function callerBySvid(ports: VerifierBySvidPorts): (socket: TLSSocket) => Promise<Attested | Denial> {
  return async (socket) => {
    const identity = identityOf(presentedChain(socket.getPeerX509Certificate()), ports);
    if ("code" in identity) return identity;
    const issuance = await ports.credentials.issuance({ serialNumber: identity.serialNumber });
    const isOver = !(secondsOf(ports.clock.now()) < identity.expiresAt);
    if (isOver || issuance === undefined || issuance.revokedAt !== undefined) return notBelieved();
    try {
      return await ports.attest(identity);
    } catch (thrown) {
      return denialFrom(thrown);
    }
  };
}

function identityOf(chain: readonly Uint8Array[], { identify }: VerifierBySvidPorts): TlsIdentity | Denial {
  if (chain.length === 0) return denial("NO_IDENTITY", "expected a client certificate");
  try {
    return identify(chain);
  } catch {
    // A stranger is not told why exactly.
    return notBelieved();
  }
}

function notBelieved(): Denial {
  return denial("NO_IDENTITY", "the client certificate is not to be believed");
}
