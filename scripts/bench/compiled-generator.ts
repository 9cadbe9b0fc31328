import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import { GrantSchema } from "../../src/gen/stint/v1/types_pb.js";
import type { BrokerProcess } from "./broker-process.ts";
import { ROOT } from "./checkout.ts";
import { flagsOf, type PatientGenerator, startProgram } from "./generator.ts";
import type { Joined, Told } from "./measurements.ts";
import { AUDIENCE, GRANT } from "./workload.ts";

/**
 * What each caller does again and again; see generator/work.go. A `delivery` opens a step and closes it again, and its time is that until
 * the SVID is on a stream that was open.
 */
export type Work = "jwt" | "spiffe-jwt" | "x509" | "open" | "delivery";

/**
 * Starts the generator whose callers are each a process with a connection of its own.
 *
 * @throws Error when the generator can't be compiled
 */
export async function startCallers(kind: Work, broker: BrokerProcess): Promise<PatientGenerator<"load">> {
  return await startCompiled(kind, broker);
}

/** Verifiers of one process, each with a connection of its own. */
export type Watchers = AsyncDisposable & {
  /** So many connect in one moment; those before them go. */
  join(count: number): Promise<Joined>;
  /** So many steps are closed, one after the other, each when all verifiers have been told of the one before. */
  close(closes: number): Promise<Told>;
};

export async function startWatchers(broker: BrokerProcess): Promise<Watchers> {
  const watchers = await startCompiled<"watchers">("watchers", broker);
  return {
    join: async (count) => (await watchers.measure({ join: count })) as Joined,
    close: async (closes) => (await watchers.measure({ closes })) as Told,
    [Symbol.asyncDispose]: () => watchers[Symbol.asyncDispose](),
  };
}

async function startCompiled<Script extends "load" | "watchers">(
  kind: Work | "watchers",
  broker: BrokerProcess,
): Promise<PatientGenerator<Script>> {
  const { operator: _, ...flags } = flagsOf(broker);
  const grant = Buffer.from(toBinary(GrantSchema, create(GrantSchema, GRANT))).toString("base64");
  return await startProgram(`the load of ${kind}`, [compiled()], { ...flags, kind, grant, audience: AUDIENCE });
}

/** Whether the generator can be compiled here. */
export function isGoThere(): boolean {
  try {
    execFileSync("go", ["version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

let program: string | undefined;

/** Go looks by itself for what has changed since the last time, which takes a fraction of a second. */
function compiled(): string {
  if (program !== undefined) return program;
  const path = join(ROOT, "build/bench/generator");
  execFileSync("go", ["build", "-trimpath", "-o", path, "."], {
    cwd: join(ROOT, "scripts/bench/generator"),
    stdio: ["ignore", "ignore", "inherit"],
  });
  program = path;
  return path;
}
