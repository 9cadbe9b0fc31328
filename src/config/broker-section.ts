import { REFERENCE_TYPES } from "../domain/broker-callers.ts";
import { parseSpiffeId } from "../domain/spiffe-id.ts";
import { accepted, list, listenAddress, oneOf, section, socketMode, socketPath, yesNo } from "./fields.ts";

/** The SPIFFE Broker Endpoint, and who may use the Broker API on it. */
export const brokerSection = section({
  socket: socketPath().optional().describe("Unix socket of the broker endpoint, with mutual TLS."),
  mode: socketMode()
    .prefault("0666")
    .describe("Who may connect to it. Connecting gives nothing without an X.509-SVID."),
  listen: listenAddress().optional().describe("Address and port of the broker endpoint over TCP."),
  callers: list(
    section({
      spiffe_id: accepted(parseSpiffeId, "a SPIFFE ID, e.g. spiffe://example.org/runtime/flow").describe("Who calls."),
      references: list(
        section({
          type: oneOf(REFERENCE_TYPES).describe("Message by which it may reference workloads."),
          allow_over_tcp: yesNo().prefault(false).describe("Also when it is connected over TCP."),
        }),
        "reference types",
      ).describe("How it may reference workloads."),
    }),
    "callers",
  )
    .prefault([])
    .describe("Who may use the SPIFFE Broker API; nobody who is not listed."),
}).superRefine(({ socket, listen, callers }, context) => {
  if (socket === undefined && listen === undefined) context.addIssue("expected socket, listen or both");
  const seen = new Set<string>();
  for (const [index, { spiffe_id }] of callers.entries()) {
    if (seen.has(spiffe_id)) {
      context.addIssue({
        code: "custom",
        path: ["callers", index, "spiffe_id"],
        message: "expected one that no other caller has",
      });
    }
    seen.add(spiffe_id);
  }
});
