/** SPIFFE's name for where the Workload API is. */
export const ENDPOINT_VARIABLE = "SPIFFE_ENDPOINT_SOCKET";
