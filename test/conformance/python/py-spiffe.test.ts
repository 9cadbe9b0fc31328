import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Step } from "../../../src/gen/stint/v1/types_pb.js";
import { fetchingContract, foreignWorkload, keptContract, svidsOf } from "../foreign-workload.ts";
import { pythonIsMissing, pythonWithPackages } from "./python-environment.ts";

// py-spiffe shows no hints, so its users tell identities apart by their SPIFFE IDs.

/** Time to download and unpack the packages, once; afterwards it is there. */
const INSTALL_MS_MAX = 300_000;
const CODES = { permissionDenied: "PERMISSION_DENIED", invalidArgument: "INVALID_ARGUMENT" };
const PROGRAM = join(import.meta.dirname, "spiffe_workload.py");

const shown = (steps: readonly Step[]) => steps.map((step) => ({ id: step.spiffeId }));

describe.skipIf(pythonIsMissing() !== undefined)("py-spiffe", () => {
  const foreign = foreignWorkload(async () => [await pythonWithPackages(), "-B", PROGRAM], INSTALL_MS_MAX);
  const { open, close } = foreign;

  fetchingContract(foreign, CODES, shown);
  keptContract(foreign, CODES, ({ spiffeId }) => ({ spiffe_id: spiffeId }));

  test("keeps the X.509-SVID of the step it picks by its SPIFFE ID", async () => {
    const steps = [await open(), await open()] as const;
    expect(await foreign.workload.tell("source", { spiffe_id: steps[1].spiffeId })).toMatchObject({
      id: steps[1].spiffeId,
    });
  });

  test("watches: a step that closes is gone, and the last one ends the watch", async () => {
    const [one, two] = [await open(), await open()];
    await foreign.workload.tell("watch");
    expect(svidsOf(await foreign.workload.event("x509"))).toMatchObject(shown([one, two]));
    await close(one);
    const left = svidsOf(await foreign.workload.event("x509"));
    expect(left).toMatchObject(shown([two]));
    expect(left).toHaveLength(1);
    await close(two);
    expect(await foreign.workload.event("x509-error")).toMatchObject({
      code: expect.stringContaining("PERMISSION_DENIED"),
    });
  });
});
