// planted: no-cycles
import type { ClosesTheCycle } from "./cycle-end.ts";

export type OpensTheCycle = { readonly id: string; readonly end: ClosesTheCycle };
