// planted: no-cycles
import type { OpensTheCycle } from "./cycle-start.ts";

export type ClosesTheCycle = { readonly id: string; readonly start: OpensTheCycle };
