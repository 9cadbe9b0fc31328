import type { handleServerStreamingCall } from "@grpc/grpc-js";
import { referencedSteps } from "../../decide/referenced-steps.ts";
import { BrokerError, errorOf, invalidField, isDenial } from "../../domain/errors.ts";
import type { Attested } from "../../domain/stages.ts";
import type {
  API,
  FetchJWTSVIDRequest,
  WorkloadReference as ReferenceMessage,
  SubscribeToJWTBundlesRequest,
  SubscribeToX509BundlesRequest,
} from "../../gen/spiffe/broker/api_pb.js";
import { issueTogether } from "../../issue/issue-together.ts";
import { type ReferencedPorts, referencedIdentities } from "../../issue/referenced-identities.ts";
import { hintOf } from "../../issue/svid-identity.ts";
import type { SvidStreamPorts } from "../../issue/svid-stream.ts";
import type { HandlersOf, Received } from "../../wire/service-definition.ts";
import { receivedMessage } from "../../wire/service-definition.ts";
import { brokerApiErrorOf } from "./broker-api-errors.ts";
import { begin, type Endpoint, unary } from "./call.ts";
import { newestState } from "./newest-state.ts";
import { svidStreamHandler } from "./svid-stream-handler.ts";
import { x509SvidOf } from "./workload-api.ts";
import { type BundlePorts, bundlesOf, jwksOf, x509BundleOf } from "./workload-api-bundles.ts";
import { selectedIdOf } from "./workload-api-tokens.ts";
import { type BrokerCallers, workloadReferenceOf } from "./workload-reference.ts";

export type BrokerApiPorts = ReferencedPorts &
  SvidStreamPorts &
  BundlePorts & { readonly brokerCallers: BrokerCallers };

const SERVICE = "spiffe.broker.API";

/**
 * The SPIFFE Broker API: a runtime is given, for the workloads it names, what they would be given themselves.
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
        messageOf: (svids) => ({ svids: svids.map((svid) => x509SvidOf(svid, ports)), crl: [...ports.crls()] }),
        onChange: ports.onBundleChange,
        serviceErrorOf: brokerApiErrorOf,
      },
      ports,
    ),
    subscribeToX509Bundles: referencedBundleStream(
      endpoint,
      `${SERVICE}.SubscribeToX509Bundles`,
      () => ({ bundles: bundlesOf(x509BundleOf(ports), ports), crl: [...ports.crls()] }),
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
      () => ({ bundles: bundlesOf(Buffer.from(jwksOf("jwt-svid", ports)), ports) }),
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
  const wanted = { kind: "jwt-svid", audiences: request.audience } as const;
  const answers = await issueTogether(
    caller,
    steps.map(({ stepId }) => ({ kind: "step", stepId, wanted, as: "opener" }) as const),
    ports,
  );
  const svids = steps.flatMap((step, index) => {
    const answer = answers[index];
    if (answer === undefined || isDenial(answer)) return [];
    const { spiffeId, svid } = answer;
    return [{ spiffeId, svid: Buffer.from(svid).toString("latin1"), hint: hintOf({ kind: "step", step }) }];
  });
  const refused = answers.find(isDenial);
  if (svids.length === 0 && refused !== undefined) throw errorOf(refused);
  return { svids };
}

type BundlesRequest = SubscribeToX509BundlesRequest | SubscribeToJWTBundlesRequest;

/** Streams bundles for as long as the referenced workload is there: now, and after each change. */
function referencedBundleStream<Response>(
  endpoint: Endpoint,
  method: string,
  current: () => Response,
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
          await look();
          if (!isOver) put(current);
        };
        // Following begins before the first look, so that nothing falls between the two.
        unfollow = source.follow(() => inTurn(look));
        unsubscribe = ports.onBundleChange(() => inTurn(tell));
        await tell();
      })
      .catch(fail);
  };
}
