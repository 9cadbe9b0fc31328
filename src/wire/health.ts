import type { DescService } from "@bufbuild/protobuf";
import {
  type Server,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  status,
} from "@grpc/grpc-js";
import {
  type HealthCheckRequest,
  type HealthCheckResponse,
  type HealthListResponse,
  healthContract,
  SERVING_STATUS,
} from "./health-contract.ts";
import { addService, type HandlersOf, type Received, receivedMessage } from "./service-definition.ts";
import { serviceError, serviceErrorOf } from "./service-error.ts";

type CheckCall = ServerUnaryCall<Received<HealthCheckRequest>, HealthCheckResponse>;
type WatchCall = ServerWritableStream<Received<HealthCheckRequest>, HealthCheckResponse>;

/** Whether what a server serves is served, as load balancers and orchestrators ask. All services of a server are as the whole is. */
export type Health = { setServing(isServing: boolean): void };

/**
 * Serves health checking for these services and, by the empty name, for the server; not serving until it is said that it does. A
 * watch of a service that is not known here goes on, as the contract has it, and is told nothing more.
 *
 * @see https://github.com/grpc/grpc/blob/master/doc/health-checking.md
 */
export function addHealth(server: Server, services: readonly string[]): Health {
  const known = new Set(["", ...services]);
  const watches = new Set<WatchCall>();
  let own: HealthCheckResponse = { status: SERVING_STATUS.notServing };

  // Described at run time, so that nothing but these lines knows the types of its messages.
  const handlers = {
    check(call: CheckCall, answer: sendUnaryData<HealthCheckResponse>) {
      try {
        if (known.has(receivedMessage(call.request).service)) answer(null, own);
        else answer(serviceError({ code: status.NOT_FOUND, message: "service: there is none of this name here" }));
      } catch (thrown) {
        answer(serviceErrorOf(thrown));
      }
    },
    list(_call: unknown, answer: sendUnaryData<HealthListResponse>) {
      answer(null, { statuses: Object.fromEntries([...known].map((name) => [name, own])) });
    },
    watch(call: WatchCall) {
      try {
        if (!known.has(receivedMessage(call.request).service)) {
          call.write({ status: SERVING_STATUS.serviceUnknown });
          return;
        }
      } catch (thrown) {
        call.emit("error", serviceErrorOf(thrown));
        return;
      }
      call.write(own);
      watches.add(call);
      call.on("cancelled", () => watches.delete(call));
    },
  };
  addService(server, healthContract(), handlers as unknown as HandlersOf<DescService>);

  return {
    setServing(isServing) {
      const next = isServing ? SERVING_STATUS.serving : SERVING_STATUS.notServing;
      if (next === own.status) return;
      own = { status: next };
      for (const call of watches) call.write(own);
    },
  };
}
