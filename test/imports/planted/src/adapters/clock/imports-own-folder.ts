// planted: nothing
import { monotonicNow } from "./monotonic.ts";

export const now = (): bigint => monotonicNow();
