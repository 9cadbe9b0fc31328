import { X509Certificate } from "node:crypto";
import { EventEmitter, once } from "node:events";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { onTestFinished } from "vitest";
import { systemKeyPairs } from "../../../src/adapters/system/system-key-pairs.ts";
import { systemRandomness } from "../../../src/adapters/system/system-randomness.ts";
import {
  type AnonymousRefusal,
  listenOnServerTls,
  type ServerTlsEndpoint,
  type ServerTlsEndpointOptions,
} from "../../../src/api/endpoint/server-tls-endpoint.ts";
import { attestationServer } from "../../../src/api/grpc/servers.ts";
import { tlsContextOf } from "../../../src/api/http/tls-context.ts";
import type { AttestEvidencePorts } from "../../../src/attest/attest-evidence.ts";
import { digestOfJoinToken, newJoinToken } from "../../../src/attest/join-token.ts";
import { x509RootsOf } from "../../../src/domain/authority.ts";
import { type EntryContentInput, parseEntryContent } from "../../../src/domain/entry-content.ts";
import { denial, errorOf } from "../../../src/domain/errors.ts";
import { parseSegment } from "../../../src/domain/spiffe-id.ts";
import { addSeconds, secondsOf, type UnixSeconds } from "../../../src/domain/time.ts";
import { Attestation, type AttestationClaimSchema } from "../../../src/gen/stint/v1/attestation_pb.js";
import type { X509Svid } from "../../../src/gen/stint/v1/credentials_pb.js";
import { shownBy } from "../../../src/main/trust.ts";
import type { RequestLine } from "../../../src/ports/log.ts";
import { certificateRequestOf, generateKey } from "../../../src/sdk/runtime/certificate-request.ts";
import { openServerTlsChannel } from "../../../src/wire/channel.ts";
import { createClient } from "../../../src/wire/client.ts";
import { openMemoryLedger } from "../../memory/memory-ledger.ts";
import { memorySigner } from "../../memory/memory-signer.ts";
import { virtualClock } from "../../memory/virtual-clock.ts";
import { OPERATOR, startBroker, TRUST_DOMAIN } from "../../simulation/broker.ts";
import { createKernel } from "../../simulation/kernel.ts";

export const SERVER_ID = "spiffe://example.org/stint/server";

type ClaimInit = MessageInitShape<typeof AttestationClaimSchema>;

export type AttestationScene = Awaited<ReturnType<typeof attestationScene>>;

/** The attestation endpoint of a broker in this process, on a real TLS listener, in virtual time that begins now. */
export async function attestationScene(
  own: {
    readonly evidenceAttestors?: AttestEvidencePorts["evidenceAttestors"];
    readonly takesJoinTokens?: boolean;
    readonly endpoint?: Partial<ServerTlsEndpointOptions>;
  } = {},
) {
  // OpenSSL looks at the machine's own time.
  const clock = virtualClock(Math.floor(Date.now() / 1_000) as UnixSeconds);
  const random = systemRandomness();
  const store = await openMemoryLedger({ clock, randomness: random });
  const failures: unknown[] = [];
  const broker = await startBroker({
    store,
    signer: memorySigner({ trustDomain: TRUST_DOMAIN, randomness: random }),
    kernel: createKernel(),
    clock,
    random,
    failed: (error) => void failures.push(error),
  });
  const server = parseSegment("server", "name");
  await broker.registry.create({ kind: "server", name: server, selectors: [] }, "config", OPERATOR);
  const ownSvid = broker.ownSvid(systemKeyPairs());
  await ownSvid.start();

  const lines: RequestLine[] = [];
  const logged = new EventEmitter<{ line: [RequestLine] }>();
  const refusals: AnonymousRefusal[] = [];
  let endpoint: ServerTlsEndpoint | undefined;
  const api = attestationServer(
    {
      peerOf(call) {
        if (endpoint === undefined) throw errorOf(denial("NOT_SERVING", "starting"));
        return endpoint.peerOf(call);
      },
      attest: () => Promise.reject(new Error("nobody is attested by the connection")),
      log: {
        request(line) {
          lines.push(line);
          logged.emit("line", line);
        },
        fault: (what, error) => void failures.push(`${what}: ${String(error)}`),
        warning: (what) => void failures.push(what),
        recurring: () => undefined,
        info: () => undefined,
      },
      clock,
    },
    {
      ...broker.ports,
      evidenceAttestors: own.evidenceAttestors ?? {},
      takesJoinTokens: own.takesJoinTokens ?? true,
    },
  );
  api.setServing(true);
  const listening = await listenOnServerTls({
    place: { host: "127.0.0.1", port: 0 },
    server: api.server,
    context: await tlsContextOf(shownBy(ownSvid), undefined),
    onRefused: (refusal) => void refusals.push(refusal),
    ...own.endpoint,
  });
  endpoint = listening;
  const roots = x509RootsOf(broker.authorities.all())
    .map((certificate) => new X509Certificate(certificate).toString())
    .join("");
  const channel = openServerTlsChannel(`127.0.0.1:${listening.port}`, { serverId: SERVER_ID, authorities: roots });
  onTestFinished(async () => {
    channel.close();
    listening.close();
    api.server.forceShutdown();
    ownSvid.stop();
    broker.stop();
    await store.close();
  });

  const attestation = createClient(Attestation, channel);
  const pendingAtRest = clock.pending();

  return {
    clock,
    store,
    broker,
    ownSvid,
    endpoint: listening,
    roots,
    channel,
    lines,
    refusals,
    failures,
    /** Timers of the broker while nobody attests. */
    pendingAtRest,
    nextLine: async () => (await once(logged, "line"))[0] as RequestLine,
    call: () => attestation.attest(),
    async entry(content: EntryContentInput) {
      return (await broker.registry.create(parseEntryContent(content), "api", OPERATOR)).entry;
    },
    /** A join token of this name, as an operator makes one. */
    async joinToken(name = "worker", ttlSeconds = 600): Promise<string> {
      const segment = parseSegment(name, "name");
      const token = newJoinToken(segment, random);
      const now = clock.now();
      const expiresAt = addSeconds(secondsOf(now), ttlSeconds);
      const sha256 = digestOfJoinToken(token);
      await store.ledger.perform({ act: "create-join-token", sha256, name: segment, expiresAt, by: OPERATOR, now });
      return token;
    },
    /** Attests with a request for a new key, unless the claim has one of its own. */
    async attest(claim: ClaimInit, answer?: (challenge: Uint8Array) => Uint8Array): Promise<X509Svid> {
      const call = attestation.attest();
      const csr = claim.csr ?? certificateRequestOf(await generateKey());
      call.send({ message: { case: "claim", value: { ...claim, csr } } });
      for await (const { message } of call.responses) {
        if (message.case === "svid") return message.value;
        if (message.case === "challenge" && answer !== undefined) {
          call.send({ message: { case: "answer", value: answer(message.value) } });
        }
      }
      throw new Error("the stream ended without an SVID");
    },
    /** Reasons of the refusals that the ledger holds, newest first. */
    async denied() {
      const decisions = await store.history.decisions({ limit: 100, effect: "deny" });
      return decisions.map(({ act, reason }) => `${act} ${reason}`);
    },
    async eventTypes() {
      return (await store.history.events({ limit: 500 })).map(({ type }) => type);
    },
  };
}

export function byJoinToken(value: string): Pick<ClaimInit, "evidence"> {
  return { evidence: { case: "joinToken", value } };
}
