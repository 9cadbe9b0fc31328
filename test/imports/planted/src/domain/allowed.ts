// planted: nothing
import { hash } from "node:crypto";
import type { ClosesTheCycle } from "./cycle-end.ts";

export const digest = (step: ClosesTheCycle): string => hash("sha256", step.id);
