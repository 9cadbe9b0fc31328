import type { handleServerStreamingCall } from "@grpc/grpc-js";
import { referencedSteps } from "../../decide/referenced-steps.ts";
import type { BrokerCallers } from "../../domain/broker-callers.ts";
import { BrokerError, errorOf, invalidField } from "../../domain/errors.ts";
import type { RegistrationEntry } from "../../domain/registration-entry.ts";
import type { Attested } from "../../domain/stages.ts";
import type {
  API,
  FetchJWTSVIDRequest,
  WorkloadReference as ReferenceMessage,
  SubscribeToJWTBundlesRequest,
  SubscribeToX509BundlesRequest,
} from "../../gen/spiffe/broker/api_pb.js";
import { type ReferencedPorts, referencedIdentities } from "../../stream/referenced-identities.ts";
import type { SvidStreamPorts } from "../../stream/svid-stream.ts";
import type { HandlersOf, Received } from "../../wire/service-definition.ts";
import { receivedMessage } from "../../wire/service-definition.ts";
import { brokerApiErrorOf } from "./broker-api-errors.ts";
import { begin, type Endpoint, unary } from "./call.ts";
import { entriesOf, x509BundleIn } from "./federated-messages.ts";
import { newestState } from "./newest-state.ts";
import { svidStreamHandler } from "./svid-stream-handler.ts";
import { jwtBundlesOf, onX509Change, x509SvidsMessageOf } from "./workload-api.ts";
import { type BundlePorts, bundlesOf, x509BundleOf } from "./workload-api-bundles.ts";
import { jwtSvidsOf, selectedIdOf } from "./workload-api-tokens.ts";
import { workloadReferenceOf } from "./workload-reference.ts";

export type BrokerApiPorts = ReferencedPorts &
  SvidStreamPorts &
  BundlePorts & { readonly brokerCallers: BrokerCallers };

const SERVICE = "spiffe.broker.API";

/**
 * The SPIFFE Broker API: for the workloads that a runtime names, it is given what these workloads would be given
 * themselves.
 *
 * @see SPIFFE Broker API
 */
export function brokerApiHandlers(endpoint: Endpoint, ports: BrokerApiPorts): HandlersOf<typeof API> {
  return {
    subscribeToX509SVID: svidStreamHandler(
      endpoint,
      {
        method: `${SERVICE}.SubscribeToX509SVID`,
        sourceOf: ({ reference }, attested) => referencedBy(reference, attested, ports),
        messageOf: (svids) => x509SvidsMessageOf(svids, ports),
        onChange: (changed) => onX509Change(changed, ports),
        serviceErrorOf: brokerApiErrorOf,
      },
      ports,
    ),
    subscribeToX509Bundles: referencedBundleStream(
      endpoint,
      `${SERVICE}.SubscribeToX509Bundles`,
      (entries) => ({
        bundles: bundlesOf(x509BundleOf(ports), x509BundleIn, entries, ports),
        crl: [...ports.crls()],
      }),
      ports,
    ),
    fetchJWTSVID: unary(
      endpoint,
      `${SERVICE}.FetchJWTSVID`,
      (request, caller) => fetchJwtSvids(request, caller, ports),
      brokerApiErrorOf,
    ),
    subscribeToJWTBundles: referencedBundleStream(
      endpoint,
      `${SERVICE}.SubscribeToJWTBundles`,
      (entries) => ({ bundles: jwtBundlesOf(entries, ports) }),
      ports,
    ),
  };
}

/** The reference is judged once the caller is known, and then again for every act. */
function referencedBy(
  message: ReferenceMessage | undefined,
  attested: () => Promise<Attested>,
  ports: BrokerApiPorts,
): ReturnType<typeof referencedIdentities> {
  return referencedIdentities(attested, (caller) => workloadReferenceOf(message, caller, ports.brokerCallers), ports);
}

async function fetchJwtSvids(request: FetchJWTSVIDRequest, caller: Attested, ports: BrokerApiPorts) {
  const reference = workloadReferenceOf(request.reference, caller, ports.brokerCallers);
  if (request.audience.length === 0 || request.audience.includes("")) throw invalidField("audience", "at least one");
  const selected = selectedIdOf(request.spiffeId);
  const steps = (await referencedSteps(caller, reference, ports)).filter(
    ({ spiffeId }) => selected === undefined || spiffeId === selected,
  );
  if (steps.length === 0) throw new BrokerError("STEP_NOT_FOUND", "the workload has no such identity");
  const { svids, refused } = await jwtSvidsOf(steps, request.audience, { caller, as: "opener" }, ports);
  if (svids.length === 0 && refused !== undefined) throw errorOf(refused);
  return { svids };
}

type BundlesRequest = SubscribeToX509BundlesRequest | SubscribeToJWTBundlesRequest;

/** Streams bundles for as long as the referenced workload is there: now, and after each change. */
function referencedBundleStream<Response>(
  endpoint: Endpoint,
  method: string,
  current: (entries: readonly RegistrationEntry[]) => Response,
  ports: BrokerApiPorts,
): handleServerStreamingCall<Received<BundlesRequest>, Response> {
  return (call) => {
    const begun = begin(endpoint, method, call);
    const put = newestState(call);
    let isOver = false;
    let turn = Promise.resolve();
    let unfollow = (): void => undefined;
    let unsubscribe = (): void => undefined;
    const finish = () => {
      isOver = true;
      unfollow();
      unsubscribe();
    };
    const fail = (thrown: unknown) => {
      if (isOver) return;
      finish();
      call.emit("error", brokerApiErrorOf(thrown));
    };
    const inTurn = (act: () => Promise<void>) => {
      turn = turn.then(act).catch(fail);
    };
    call.on("cancelled", finish);
    call.on("close", finish);
    turn = begun
      .run(async () => {
        const source = referencedBy(receivedMessage(call.request).reference, () => begun.attested(), ports);
        const look = async () => {
          if (!isOver) await source.identities();
        };
        const tell = async () => {
          if (isOver) return;
          const entries = entriesOf(await source.identities(), ports);
          if (!isOver) put(() => current(entries));
        };
        // Following begins before the first look, so that nothing falls between the two.
        unfollow = source.follow(() => inTurn(look));
        unsubscribe = onX509Change(() => inTurn(tell), ports);
        await tell();
      })
      .catch(fail);
  };
}
