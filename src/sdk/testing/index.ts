export { type CredentialFinding, findCredentials } from "../credential-scan/find-credentials.ts";
export { type DevBroker, type DevBrokerOptions, startDevBroker } from "./start-dev-broker.ts";
