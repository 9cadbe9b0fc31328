/** Random bytes fit for serial numbers, ids and nonces. */
export type Randomness = {
  bytes(count: number): Uint8Array;
};
