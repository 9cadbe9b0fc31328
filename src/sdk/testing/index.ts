export { type DevBroker, type DevBrokerOptions, startDevBroker } from "./start-dev-broker.ts";
