import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import {
  fetchingContract,
  foreignWorkload,
  keptContract,
  named,
  svidsOf,
  watchingContract,
} from "../foreign-workload.ts";
import { hintOf } from "../workload-scene.ts";
import { buildJava, JAVA_BUILD_MS_MAX, javaIsMissing } from "./java-toolchain.ts";

// java-spiffe speaks by grpc-java, which sends the socket's path as `:authority`. Each test is what a Java agent does.

const CODES = { permissionDenied: "PERMISSION_DENIED", invalidArgument: "INVALID_ARGUMENT" };

describe.skipIf(javaIsMissing("tests with java-spiffe"))("java-spiffe", () => {
  let directory = "";
  // Hooks registered first run last: the program ends before its folder goes.
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  const foreign = foreignWorkload(async () => {
    directory = realpathSync(mkdtempSync(join(tmpdir(), "stint-java-")));
    return buildJava(import.meta.dirname, directory);
  }, JAVA_BUILD_MS_MAX);
  const { another, open, close } = foreign;

  fetchingContract(foreign, CODES);
  watchingContract(foreign);
  keptContract(foreign, CODES);

  test("comes back by itself: the end of the last step, then another", async () => {
    const watching = await another();
    const step = await open({ by: watching });
    await watching.tell("watch");
    await watching.event("x509");
    await close(step);
    const after = await open({ by: watching });
    expect(svidsOf(await watching.event("x509"))).toMatchObject(named([after]));
  });

  test("a source that is one step is none of the others: when its step ends, it has nothing", async () => {
    const keeping = await another();
    const [other, own] = [await open({ by: keeping }), await open({ by: keeping })];
    expect(await keeping.tell("keep", { hint: hintOf(own) })).toMatchObject(named([own])[0] ?? {});
    await close(own);
    await expect.poll(() => keeping.tell("kept").catch(String), { timeout: 10_000 }).toMatch(/no SVID/);
    expect(await keeping.tell("x509")).toMatchObject(named([other]));
  });
});
