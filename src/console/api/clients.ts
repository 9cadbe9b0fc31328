import type { DescService } from "@bufbuild/protobuf";
import { type Client, createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { Approvals } from "../../gen/stint/v1/approvals_pb.js";
import { History } from "../../gen/stint/v1/history_pb.js";
import { Ledger } from "../../gen/stint/v1/ledger_pb.js";
import { Policies } from "../../gen/stint/v1/policies_pb.js";
import { Revocations } from "../../gen/stint/v1/revocations_pb.js";
import { Risk } from "../../gen/stint/v1/risk_pb.js";
import { Status } from "../../gen/stint/v1/status_pb.js";
import { Steps } from "../../gen/stint/v1/steps_pb.js";
import { Tools } from "../../gen/stint/v1/tools_pb.js";
import { problemOf } from "./problem.ts";
import { uploading } from "./uploading.ts";

/** Called when the broker does not know the session any more. */
let onSignedOut: () => void = () => undefined;

export function whenSignedOut(call: () => void): void {
  onSignedOut = call;
}

let isBusy: () => boolean = () => false;

/** Says how to know that the ledger grows without a pause. */
export function busyWhen(is: () => boolean): void {
  isBusy = is;
}

/** Seconds. While the ledger grows without a pause, what another page was told a moment ago will do. */
const BUSY_AGE = 3;
const takingTurns: Interceptor = (next) => (request) => {
  if (isBusy() && !request.stream) request.header.set("cache-control", `max-age=${BUSY_AGE}`);
  return next(request);
};

/** Whoever is signed out is told once for all, by a page of its own. */
const watchingSession: Interceptor = (next) => async (request) => {
  try {
    return await next(request);
  } catch (thrown) {
    if (problemOf(thrown).reason === "NO_IDENTITY") onSignedOut();
    throw thrown;
  }
};

const transport = uploading(
  createConnectTransport({
    baseUrl: "/console/api",
    useBinaryFormat: true,
    interceptors: [watchingSession, takingTurns],
  }),
  "/console/api",
);

function clientOf<Service extends DescService>(service: Service): Client<Service> {
  return createClient(service, transport);
}

export const approvals = clientOf(Approvals);
export const history = clientOf(History);
export const ledger = clientOf(Ledger);
export const policies = clientOf(Policies);
export const revocations = clientOf(Revocations);
export const risk = clientOf(Risk);
export const status = clientOf(Status);
export const steps = clientOf(Steps);
export const tools = clientOf(Tools);
