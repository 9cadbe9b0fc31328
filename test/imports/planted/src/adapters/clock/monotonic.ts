// planted: nothing
import process from "node:process";

export const monotonicNow = (): bigint => process.hrtime.bigint();
