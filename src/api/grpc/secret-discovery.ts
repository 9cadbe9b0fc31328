import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Any } from "@bufbuild/protobuf/wkt";
import { type ServerDuplexStream, status } from "@grpc/grpc-js";
import { invalidField } from "../../domain/errors.ts";
import type { Attested } from "../../domain/stages.ts";
import type { DiscoveryRequest, DiscoveryResponseSchema } from "../../gen/envoy/service/discovery/v3/discovery_pb.js";
import type { SecretDiscoveryService } from "../../gen/envoy/service/secret/v3/sds_pb.js";
import type { Cancel } from "../../ports/clock.ts";
import { processIdentities } from "../../stream/process-identities.ts";
import { openSvidStream, type StreamedSvid, type SvidStream } from "../../stream/svid-stream.ts";
import { type HandlersOf, type Received, receivedMessage } from "../../wire/service-definition.ts";
import { serviceErrorOf } from "../../wire/service-error.ts";
import { type Endpoint, unary } from "./call.ts";
import { newestState } from "./newest-state.ts";
import { SECRET_TYPE, secretsOf } from "./secret-messages.ts";
import { type AskedSecrets, askedSecrets, asksTheSame, identitiesAskedFor } from "./secret-names.ts";
import { streamActs } from "./stream-acts.ts";
import { onX509Change, type WorkloadApiPorts } from "./workload-api.ts";

const SERVICE = "SecretDiscoveryService";
const NONCE_BYTES = 8;
/** The first Envoy with a validator of SPIFFE: 1.18. */
const SPIFFE_VALIDATOR_SINCE = { major: 1, minor: 18 } as const;

type Response = MessageInitShape<typeof DiscoveryResponseSchema>;
type Call = ServerDuplexStream<Received<DiscoveryRequest>, Response>;

/**
 * Envoy's secret discovery: X.509-SVIDs and bundles under the names that SPIRE's agent gives them, to whom the Workload API would give
 * them. Only what is asked for is issued.
 *
 * @see Envoy, xDS protocol, state of the world; SPIRE, "Using Envoy with SPIRE"
 */
export function secretDiscoveryHandlers(
  endpoint: Endpoint,
  ports: WorkloadApiPorts,
): HandlersOf<typeof SecretDiscoveryService> {
  return {
    streamSecrets: (call) => streamSecrets(endpoint, call, ports),
    fetchSecrets: unary(endpoint, `${SERVICE}.FetchSecrets`, (request, caller) => fetchSecrets(request, caller, ports)),
    deltaSecrets(call) {
      const details = "secrets are served as the state of the world: StreamSecrets";
      call.emit("error", Object.assign(new Error(details), { code: status.UNIMPLEMENTED, details }));
    },
  };
}

async function fetchSecrets(request: DiscoveryRequest, caller: Attested, ports: WorkloadApiPorts): Promise<Response> {
  const asked = askedIn(request);
  const svids = asked.ofSvids ? await firstSvids(asked, caller, ports) : [];
  const parts = { svids, entries: caller.entries, hasSpiffeValidator: hasSpiffeValidator(request) };
  return { typeUrl: SECRET_TYPE, resources: [...secretsOf(asked, parts, ports)] };
}

function firstSvids(asked: AskedSecrets, caller: Attested, ports: WorkloadApiPorts): Promise<readonly StreamedSvid[]> {
  const first = Promise.withResolvers<readonly StreamedSvid[]>();
  const source = processIdentities(
    async () => caller,
    "x509-svid",
    (all) => identitiesAskedFor(asked, all, true),
    ports,
  );
  const stream = openSvidStream(source, { deliver: first.resolve, end: first.reject }, ports);
  return first.promise.finally(stream.stop);
}

function streamSecrets(endpoint: Endpoint, call: Call, ports: WorkloadApiPorts): void {
  const acts = streamActs(endpoint, `${SERVICE}.StreamSecrets`, call);
  const put = newestState(call);
  const first = Promise.withResolvers<void>();
  const ends: Cancel[] = [];
  let isOver = false;
  let asked: AskedSecrets | undefined;
  /** Whether the newest request has been answered: until then each of its names has to be one's. */
  let isAnswered = false;
  let supportsSpiffe = false;
  let svids: readonly StreamedSvid[] = [];
  let svidStream: SvidStream | undefined;
  let sent: readonly Any[] = [];
  let version = 0;
  let nonce = "";
  let turn = Promise.resolve();

  function finish(): void {
    isOver = true;
    svidStream?.stop();
    for (const end of ends.splice(0)) end();
    first.resolve();
  }

  function fail(thrown: unknown): void {
    if (isOver) return;
    if (version === 0) first.reject(thrown);
    finish();
    call.emit("error", serviceErrorOf(thrown));
  }

  function take(request: DiscoveryRequest): void {
    if (request.errorDetail !== undefined) {
      endpoint.log.recurring("an SDS client does not take its secrets", { code: request.errorDetail.code });
    }
    // Of an answer that is not the newest: the client will say the same, or something else, of that one.
    if (nonce !== "" && request.responseNonce !== nonce) return;
    const next = askedIn(request);
    // Clients may say who they are in their first request alone.
    supportsSpiffe ||= hasSpiffeValidator(request);
    if (asked !== undefined && asksTheSame(asked, next)) return;
    asked = next;
    isAnswered = false;
    followSvids(next.ofSvids);
    if (!next.ofSvids) tellInTurn();
  }

  function followSvids(areWanted: boolean): void {
    if (!areWanted) {
      svidStream?.stop();
      svidStream = undefined;
      svids = [];
    } else if (svidStream === undefined) {
      const source = processIdentities(acts.attested, "x509-svid", wantedOf, ports);
      svidStream = openSvidStream(acts.sourceOf(source), { deliver, end: fail }, ports);
    } else {
      svidStream.refresh();
    }
  }

  function wantedOf(all: Parameters<typeof identitiesAskedFor>[1]) {
    return asked === undefined ? [] : identitiesAskedFor(asked, all, !isAnswered);
  }

  function deliver(all: readonly StreamedSvid[]): void {
    svids = all;
    tellInTurn();
  }

  function tellInTurn(): void {
    turn = turn.then(tell).catch(fail);
  }

  async function tell(): Promise<void> {
    if (isOver || asked === undefined) return;
    const entries = asked.ofBundles ? (await acts.attested()).entries : [];
    if (isOver) return;
    const resources = secretsOf(asked, { svids, entries, hasSpiffeValidator: supportsSpiffe }, ports);
    if (isAnswered && areSame(resources, sent)) return;
    isAnswered = true;
    sent = resources;
    put(() => {
      version += 1;
      nonce = Buffer.from(ports.random.bytes(NONCE_BYTES)).toString("hex");
      return { versionInfo: String(version), typeUrl: SECRET_TYPE, nonce, resources: [...resources] };
    });
    acts.answered();
    first.resolve();
  }

  const changed = () => (svidStream === undefined ? tellInTurn() : svidStream.refresh());
  ends.push(onX509Change(changed, ports), ports.onEntriesChange(changed));
  acts.run(() => first.promise).catch(fail);
  call.on("data", (received: Received<DiscoveryRequest>) => {
    try {
      if (!isOver) take(receivedMessage(received));
    } catch (thrown) {
      fail(thrown);
    }
  });
  call.on("end", () => {
    finish();
    call.end();
  });
  call.on("cancelled", finish);
  call.on("close", finish);
}

function askedIn({ typeUrl, resourceNames }: DiscoveryRequest): AskedSecrets {
  if (typeUrl !== "" && typeUrl !== SECRET_TYPE) throw invalidField("type_url", SECRET_TYPE);
  return askedSecrets(resourceNames);
}

function hasSpiffeValidator({ node }: DiscoveryRequest): boolean {
  const { majorNumber = 0, minorNumber = 0 } = node?.userAgentVersionType.value?.version ?? {};
  const { major, minor } = SPIFFE_VALIDATOR_SINCE;
  return majorNumber > major || (majorNumber === major && minorNumber >= minor);
}

function areSame(a: readonly Any[], b: readonly Any[]): boolean {
  return a.length === b.length && a.every(({ value }, index) => Buffer.compare(value, b[index]?.value ?? value) === 0);
}
