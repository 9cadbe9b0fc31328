import type { DescService } from "@bufbuild/protobuf";
import { Server } from "@grpc/grpc-js";
import { BrokerError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { Attested } from "../../domain/stages.ts";
import { SecretDiscoveryService } from "../../gen/envoy/service/secret/v3/sds_pb.js";
import { API } from "../../gen/spiffe/broker/api_pb.js";
import { SpiffeWorkloadAPI } from "../../gen/spiffe/workload/workload_pb.js";
import { Approvals } from "../../gen/stint/v1/approvals_pb.js";
import { Attestation, JoinTokens, Renewals } from "../../gen/stint/v1/attestation_pb.js";
import { Authorities } from "../../gen/stint/v1/authorities_pb.js";
import { Authorizations } from "../../gen/stint/v1/authorizations_pb.js";
import { Callers } from "../../gen/stint/v1/callers_pb.js";
import { Console } from "../../gen/stint/v1/console_pb.js";
import { Credentials } from "../../gen/stint/v1/credentials_pb.js";
import { Entries } from "../../gen/stint/v1/entries_pb.js";
import { Federation } from "../../gen/stint/v1/federation_pb.js";
import { History } from "../../gen/stint/v1/history_pb.js";
import { Ledger } from "../../gen/stint/v1/ledger_pb.js";
import { Nodes } from "../../gen/stint/v1/nodes_pb.js";
import { Policies } from "../../gen/stint/v1/policies_pb.js";
import { Principals } from "../../gen/stint/v1/principals_pb.js";
import { Retention } from "../../gen/stint/v1/retention_pb.js";
import { Revocations } from "../../gen/stint/v1/revocations_pb.js";
import { Risk } from "../../gen/stint/v1/risk_pb.js";
import { Status } from "../../gen/stint/v1/status_pb.js";
import { Steps } from "../../gen/stint/v1/steps_pb.js";
import { Tools } from "../../gen/stint/v1/tools_pb.js";
import type { IssueDelegationPorts } from "../../issue/issue-delegation-token.ts";
import { addHealth } from "../../wire/health.ts";
import { healthContract } from "../../wire/health-contract.ts";
import { addReflection } from "../../wire/reflection.ts";
import { reflectionContracts } from "../../wire/reflection-contract.ts";
import { addService, addServiceBeside, type RawHandler } from "../../wire/service-definition.ts";
import { CONNECTION_OPTIONS } from "../endpoint/connections.ts";
import { type ApprovalsPorts, approvalsHandlers } from "./approvals.ts";
import { type AttestationPorts, attestationHandlers, renewalsHandlers } from "./attestation.ts";
import { type AuthoritiesPorts, authoritiesHandlers } from "./authorities.ts";
import { type AuthorizationsPorts, authorizationsHandlers } from "./authorizations.ts";
import { type BrokerApiPorts, brokerApiHandlers } from "./broker-api.ts";
import { type Endpoint, requireSecurityHeader } from "./call.ts";
import { type CallersPorts, callersHandlers } from "./callers.ts";
import { type ConsolePorts, consoleHandlers } from "./console.ts";
import { type CredentialsPorts, credentialsHandlers, issuingHandlers } from "./credentials.ts";
import { type EntriesPorts, entriesHandlers } from "./entries.ts";
import { type FederationPorts, federationHandlers } from "./federation.ts";
import { endWithoutMessage } from "./first-message.ts";
import { type HistoryPorts, historyHandlers } from "./history.ts";
import { type JoinTokensPorts, joinTokensHandlers } from "./join-tokens.ts";
import { type LedgerPorts, ledgerHandlers } from "./ledger.ts";
import { type NodesPorts, nodesHandlers } from "./nodes.ts";
import { type PoliciesPorts, policiesHandlers } from "./policies.ts";
import { type PrincipalsPorts, principalsHandlers } from "./principals.ts";
import { type RetentionPorts, retentionHandlers } from "./retention.ts";
import { type RevocationsPorts, revocationsHandlers } from "./revocations.ts";
import { type RiskPorts, riskHandlers } from "./risk.ts";
import { secretDiscoveryHandlers } from "./secret-discovery.ts";
import { type StatusPorts, statusHandlers } from "./status.ts";
import { type StepsPorts, stepsHandlers } from "./steps.ts";
import { type ToolsPorts, toolsHandlers } from "./tools.ts";
import { tokenHandlers, type WorkloadApiPorts, workloadApiHandlers } from "./workload-api.ts";
import type { FetchTokenPorts } from "./workload-api-tokens.ts";
import { checkMayReferenceSteps } from "./workload-reference.ts";

/** What each service needs, and no other service. */
export type ApiPorts = {
  /** For credentials of steps, and for callers who renew an identity of their own. */
  readonly issuing: CredentialsPorts;
  readonly steps: StepsPorts;
  readonly approvals: ApprovalsPorts;
  readonly revocations: RevocationsPorts;
  readonly authorizations: AuthorizationsPorts;
  readonly history: HistoryPorts;
  readonly entries: EntriesPorts;
  readonly ledger: LedgerPorts;
  readonly authorities: AuthoritiesPorts;
  readonly federation: FederationPorts;
  readonly principals: PrincipalsPorts;
  readonly joinTokens: JoinTokensPorts;
  readonly risk: RiskPorts;
  readonly policies: PoliciesPorts;
  readonly tools: ToolsPorts;
  readonly retention: RetentionPorts;
  readonly status: StatusPorts;
  readonly workloadApi: WorkloadApiPorts;
  readonly brokerApi: BrokerApiPorts;
  readonly callers: CallersPorts;
  readonly nodes: NodesPorts;
};

/** A grpc-js server with its health, which follows readiness. */
export type ApiServer = { readonly server: Server; setServing(isServing: boolean): void };

/** Metadata of one call: a few headers; a flood of them is refused. */
const METADATA_BYTES_MAX = 16 * 1024;
/** Calls at one time on one connection: a batch of parallel tool calls, and room for streams. */
const STREAMS_PER_CONNECTION_MAX = 1_024;
/** The same of all processes behind a node. */
const STREAMS_PER_NODE_MAX = 16_384;

const OPTIONS = {
  ...CONNECTION_OPTIONS,
  // Above our own bound, whose refusal says why; this bound only guards memory.
  "grpc.max_receive_message_length": 4 * LIMITS.requestBytesMax,
  "grpc.max_metadata_size": METADATA_BYTES_MAX,
  "grpc.max_concurrent_streams": STREAMS_PER_CONNECTION_MAX,
} as const;

/** Envoy knows nothing of the Workload API's header. */
const WITHOUT_HEADER = [SecretDiscoveryService];

/** A machine that is gone without a word, or stands still, is to be found out. */
const NODES = {
  "grpc.max_concurrent_streams": STREAMS_PER_NODE_MAX,
  "grpc.keepalive_time_ms": 5_000,
  "grpc.keepalive_timeout_ms": 5_000,
} as const;

/** For clients that have no identity yet: they come for one answer, and may not stay for more. */
const STRANGERS = {
  "grpc.max_connection_idle_ms": 15_000,
  "grpc.max_connection_age_ms": 60_000,
  "grpc.max_connection_age_grace_ms": 10_000,
  "grpc.max_concurrent_streams": 8,
} as const;

/** What runtimes, agents and verifiers reach over the workload socket. */
export function workloadServer(endpoint: Endpoint, ports: ApiPorts): ApiServer {
  const server = new Server({
    ...OPTIONS,
    interceptors: [endWithoutMessage(), requireSecurityHeader("workload.spiffe.io", WITHOUT_HEADER)],
  });
  return serving(server, addWorkloadServices(server, endpoint, ports));
}

/** Adds the services for processes. @returns these services */
function addWorkloadServices(server: Server, endpoint: Endpoint, ports: ApiPorts): readonly DescService[] {
  addService(server, Steps, stepsHandlers(endpoint, ports.steps));
  addService(server, Credentials, credentialsHandlers(endpoint, ports.issuing));
  addService(server, Revocations, revocationsHandlers(endpoint, ports.revocations));
  addService(server, Authorizations, authorizationsHandlers(endpoint, ports.authorizations));
  addService(server, Tools, toolsHandlers(endpoint, ports.tools));
  addService(server, SpiffeWorkloadAPI, workloadApiHandlers(endpoint, ports.workloadApi));
  addService(server, SecretDiscoveryService, secretDiscoveryHandlers(endpoint, ports.workloadApi));
  addService(server, Callers, callersHandlers(endpoint, ports.callers));
  return WORKLOAD_SERVICES;
}

const WORKLOAD_SERVICES: readonly DescService[] = [
  Steps,
  Credentials,
  Revocations,
  Authorizations,
  Tools,
  Callers,
  SpiffeWorkloadAPI,
  SecretDiscoveryService,
];

/**
 * The workload socket's calls in a front end: credentials of steps are issued there, by the process of the ledger's leave; every other
 * call is sent on to that process, health and reflection included.
 */
export function frontServer(
  endpoint: Endpoint,
  ports: IssueDelegationPorts & FetchTokenPorts,
  raw: RawHandler,
): Server {
  const server = new Server({
    ...OPTIONS,
    interceptors: [endWithoutMessage(), requireSecurityHeader("workload.spiffe.io", WITHOUT_HEADER)],
  });
  addServiceBeside(server, Credentials, issuingHandlers(endpoint, ports), raw);
  addServiceBeside(server, SpiffeWorkloadAPI, tokenHandlers(endpoint, ports), raw);
  const served: readonly DescService[] = [Credentials, SpiffeWorkloadAPI];
  const others = WORKLOAD_SERVICES.filter((service) => !served.includes(service));
  const contracts = [...reflectionContracts(), healthContract()];
  for (const service of [...others, ...contracts]) addServiceBeside(server, service, {}, raw);
  return server;
}

/** Adds the services for operators, on whichever endpoint. @returns these services */
function addOperations(server: Server, endpoint: Endpoint, ports: ApiPorts): readonly DescService[] {
  addService(server, Revocations, revocationsHandlers(endpoint, ports.revocations));
  addService(server, Authorizations, authorizationsHandlers(endpoint, ports.authorizations));
  addService(server, History, historyHandlers(endpoint, ports.history));
  addService(server, Approvals, approvalsHandlers(endpoint, ports.approvals));
  addService(server, Entries, entriesHandlers(endpoint, ports.entries));
  addService(server, Ledger, ledgerHandlers(endpoint, ports.ledger));
  addService(server, Authorities, authoritiesHandlers(endpoint, ports.authorities));
  addService(server, Federation, federationHandlers(endpoint, ports.federation));
  addService(server, Principals, principalsHandlers(endpoint, ports.principals));
  addService(server, JoinTokens, joinTokensHandlers(endpoint, ports.joinTokens));
  addService(server, Policies, policiesHandlers(endpoint, ports.policies));
  addService(server, Risk, riskHandlers(endpoint, ports.risk));
  addService(server, Tools, toolsHandlers(endpoint, ports.tools));
  addService(server, Retention, retentionHandlers(endpoint, ports.retention));
  addService(server, Status, statusHandlers(endpoint, ports.status));
  return [
    Revocations,
    Authorizations,
    History,
    Approvals,
    Entries,
    Ledger,
    Authorities,
    Federation,
    Principals,
    JoinTokens,
    Policies,
    Risk,
    Tools,
    Retention,
    Status,
  ];
}

/** What operators reach over the operator socket. */
export function operatorServer(endpoint: Endpoint, ports: ApiPorts, console: ConsolePorts): ApiServer {
  const server = new Server({ ...OPTIONS, interceptors: [endWithoutMessage()] });
  addService(server, Steps, stepsHandlers(endpoint, ports.steps));
  addService(server, Console, consoleHandlers(endpoint, console));
  return serving(server, [Steps, Console, ...addOperations(server, endpoint, ports)]);
}

/** What operators reach through the console: no socket leads here. */
export function consoleServer(endpoint: Endpoint, ports: ApiPorts): Server {
  const server = new Server({ ...OPTIONS, interceptors: [endWithoutMessage()] });
  addService(server, Steps, stepsHandlers(endpoint, ports.steps));
  addOperations(server, endpoint, ports);
  return server;
}

/** What runtimes, and operators from afar, reach with an X.509-SVID of their own. */
export function brokerServer(endpoint: Endpoint, ports: ApiPorts): ApiServer {
  const server = new Server({
    ...OPTIONS,
    interceptors: [endWithoutMessage(), requireSecurityHeader("broker.spiffe.io")],
  });
  addService(server, API, brokerApiHandlers(endpoint, ports.brokerApi));
  addService(server, Steps, stepsHandlers(endpoint, ports.steps));
  const mayAsk = (caller: Attested) => checkMayReferenceSteps(caller, ports.brokerApi.brokerCallers);
  addService(server, Credentials, credentialsHandlers(endpoint, ports.issuing, "opener", mayAsk));
  const operations = addOperations(server, endpoint, ports);
  addService(server, Renewals, renewalsHandlers(endpoint, ports.issuing));
  return serving(server, [API, Steps, Credentials, ...operations, Renewals]);
}

/**
 * What the agents of machines without a broker reach with an X.509-SVID of their own: what the processes there may call, each
 * call with who calls, and what the agents call themselves. No browser gets here, so no header is demanded.
 */
export function nodesServer(endpoint: Endpoint, ports: ApiPorts): ApiServer {
  const server = new Server({
    ...OPTIONS,
    ...NODES,
    interceptors: [endWithoutMessage()],
  });
  const ofWorkloads = addWorkloadServices(server, endpoint, {
    ...ports,
    workloadApi: { ...ports.nodes.workloadApi, keyPairs: NO_KEYS },
  });
  addService(server, Nodes, nodesHandlers(endpoint, ports.nodes));
  addService(server, Renewals, renewalsHandlers(endpoint, ports.issuing));
  return serving(server, [...ofWorkloads, Nodes, Renewals]);
}

/** No private key is made here for a process of another machine, where a node makes it. */
const NO_KEYS: WorkloadApiPorts["keyPairs"] = {
  generate: () =>
    Promise.reject(new BrokerError("INVALID_FIELD", "keys are made by the node: stint.v1.Nodes.StreamSvids")),
};

/** The workload socket of a machine without a broker: every call is sent on, whatever becomes of it there. */
export function nodeAgentServer(raw: RawHandler): ApiServer {
  const server = new Server({
    ...OPTIONS,
    interceptors: [endWithoutMessage(), requireSecurityHeader("workload.spiffe.io", WITHOUT_HEADER)],
  });
  for (const service of WORKLOAD_SERVICES) addServiceBeside(server, service, {}, raw);
  return serving(server, WORKLOAD_SERVICES);
}

/** What anybody reaches who has evidence of an identity. The service is ours alone, so no header is demanded. */
export function attestationServer(endpoint: Endpoint, ports: AttestationPorts): ApiServer {
  const server = new Server({ ...OPTIONS, ...STRANGERS, interceptors: [endWithoutMessage()] });
  addService(server, Attestation, attestationHandlers(endpoint, ports));
  return serving(server, [Attestation]);
}

/** Adds reflection, which says what the services are, and health, which says whether the server serves. */
function serving(server: Server, services: readonly DescService[]): ApiServer {
  addReflection(server, services);
  const { setServing } = addHealth(
    server,
    services.map(({ typeName }) => typeName),
  );
  return { server, setServing };
}
