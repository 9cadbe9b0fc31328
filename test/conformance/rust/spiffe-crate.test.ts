import { describe, expect, test } from "vitest";
import { endOfWatchContract, fetchingContract, foreignWorkload, named, watchingContract } from "../foreign-workload.ts";
import { hintOf } from "../workload-scene.ts";
import { buildRust, RUST_BUILD_MS_MAX, rustIsMissing } from "./cargo-toolchain.ts";

// The crate `spiffe` is what Rust workloads use. Each test is what one of them does.

const POLL = { timeout: 10_000 };
const CODES = { permissionDenied: "PermissionDenied", invalidArgument: "InvalidArgument" };

describe.skipIf(rustIsMissing("tests with the crate spiffe"))("the crate spiffe", () => {
  const foreign = foreignWorkload(async () => [await buildRust(import.meta.dirname)], RUST_BUILD_MS_MAX);
  const { another, open, close } = foreign;

  fetchingContract(foreign, CODES);
  watchingContract(foreign);
  endOfWatchContract(foreign, CODES);

  test("a source that is one step has nothing when its step ends, whatever else there is", async () => {
    const keeping = await another();
    const [other, own] = [await open({ by: keeping }), await open({ by: keeping })];
    expect(await keeping.tell("keep", { hint: hintOf(own) })).toMatchObject(named([own])[0] ?? {});
    await close(own);
    await expect.poll(() => keeping.tell("kept").catch(String), POLL).toMatch(/no suitable svid/);
    expect(await keeping.tell("x509")).toMatchObject(named([other]));
  });

  test("keeps nothing when the last step ends, other than most libraries", async () => {
    const keeping = await another();
    const step = await open({ by: keeping });
    await keeping.tell("keep", { hint: hintOf(step) });
    await close(step);
    await expect.poll(() => keeping.tell("kept").then(JSON.stringify, String), POLL).toMatch(/^Error/);
  });
});
