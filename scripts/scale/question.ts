import { COST_VALUES } from "./costs.ts";
import { INTERNET, shared } from "./load.ts";
import { bounds, brokersFor, stepBytes, stepMicros } from "./model.ts";

/** What the page asks about: the load, by the costs that were measured, on as many brokers as it takes. */
export const BROKERS = brokersFor(INTERNET, COST_VALUES);
/** The part of one of them. */
export const ONE = shared(INTERNET, BROKERS);
export const MICROS_OF_STEP = stepMicros(INTERNET, COST_VALUES);
export const BYTES_OF_STEP = stepBytes(INTERNET, COST_VALUES);
export const BOUNDS = bounds(INTERNET, COST_VALUES);
export const REPLICAS = [1, 2, 3, 5, 8];
