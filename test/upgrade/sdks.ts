import type { Previous } from "./previous.ts";

/** Types are this version's: what the previous SDK has of it, it has by the same names. */
export type Sdk = {
  readonly runtime: typeof import("../../src/sdk/runtime/index.ts");
  readonly verifier: typeof import("../../src/sdk/verifier/index.ts");
  readonly operator: typeof import("../../src/sdk/operator/index.ts");
};

export async function sdkOf(version: Previous | "this"): Promise<Sdk> {
  if (version !== "this") {
    const [runtime, verifier, operator] = await Promise.all(["runtime", "verifier", "operator"].map(version.sdk));
    return { runtime, verifier, operator } as Sdk;
  }
  return {
    runtime: await import("../../src/sdk/runtime/index.ts"),
    verifier: await import("../../src/sdk/verifier/index.ts"),
    operator: await import("../../src/sdk/operator/index.ts"),
  };
}
