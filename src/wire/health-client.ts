import type { DescService } from "@bufbuild/protobuf";
import type { ClientOf } from "./client.ts";
import {
  type HealthCheckRequest,
  type HealthCheckResponse,
  healthContract,
  SERVING_STATUS,
} from "./health-contract.ts";

/**
 * Whether a server serves what it is for, as it says itself.
 *
 * @param clientOf - of the server, for the service of health checking.
 * @throws CallError where it does not answer
 */
export async function isServing(clientOf: (service: DescService) => ClientOf<DescService>): Promise<boolean> {
  // Described at run time, so that only these lines know the types of its messages.
  const health = clientOf(healthContract()) as unknown as {
    check(request: HealthCheckRequest): Promise<HealthCheckResponse>;
  };
  const { status } = await health.check({ service: "" });
  return status === SERVING_STATUS.serving;
}
