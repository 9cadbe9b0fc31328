import { execFile } from "node:child_process";
import { copyFileSync, globSync, mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { isStintError } from "../../../src/sdk/runtime/index.ts";
import { findCredentials } from "../../../src/sdk/testing/index.ts";
import { type BridgeScene, bridgeScene } from "../../bridge/bridge-scene.ts";
import { thrownBy } from "../../sdk/runtime/scripted-broker.ts";
import { installedAsLocked } from "../locked-packages.ts";

const folder = import.meta.dirname;
const root = resolve(folder, "../../..");
const tsc = join(root, "node_modules/.bin/tsc");

/**
 * The installed frameworks, with the samples of the documentation beside them, where these find them.
 *
 * @param own - the folder with the package files and the samples.
 */
export async function adapterFrameworks(own = folder): Promise<{
  /** Where they are installed. */
  readonly folder: string;
  load(name: string): Promise<unknown>;
  /** Compiles the samples against the frameworks' own types. @returns what the compiler says; nothing where they fit */
  complaints(): Promise<string>;
}> {
  const installed = await installedAsLocked(own, basename(own));
  const samples = join(installed, "samples");
  mkdirSync(samples, { recursive: true });
  for (const file of globSync("*.ts", { cwd: join(own, "samples") })) {
    copyFileSync(join(own, "samples", file), join(samples, file));
  }
  writeFileSync(
    join(installed, "tsconfig.json"),
    JSON.stringify({
      extends: join(root, "tsconfig.json"),
      // Node's types are ours: what frameworks bring of them may be older.
      compilerOptions: { incremental: false, tsBuildInfoFile: null, typeRoots: [join(root, "node_modules/@types")] },
      include: ["samples"],
      exclude: [],
    }),
  );
  const { resolve: pathOf } = createRequire(join(installed, "package.json"));
  return {
    folder: installed,
    complaints: () =>
      promisify(execFile)(process.execPath, [tsc, "--project", join(installed, "tsconfig.json")]).then(
        ({ stdout }) => stdout,
        (failed: { readonly stdout: string }) => failed.stdout,
      ),
    load: (name) => import(name.startsWith("./") ? pathToFileURL(join(installed, name)).href : pathOf(name)),
  };
}

export type AdapterScene = BridgeScene & {
  /** What became of the newest attempt of a step: its state, or why the broker does not tell. */
  stateOf(runId: string, step: string): Promise<string | undefined>;
  /** Whether any credential that a server was sent, or any other, is in a value. */
  holdsCredential(value: unknown): readonly string[];
};

/** A real broker and guarded servers, and what a framework's tests ask of them. */
export async function adapterScene(): Promise<AdapterScene> {
  const scene = await bridgeScene({ agent: "researcher" });
  return {
    ...scene,
    async stateOf(runId, step) {
      const thrown = await thrownBy(scene.stint.resumeStep({ runId, step, hold: false }));
      if (isStintError(thrown, "STEP_CLOSED")) return thrown.metadata.state;
      return isStintError(thrown) ? thrown.reason : "not an answer";
    },
    holdsCredential(value) {
      const sent = scene.seen.flatMap(({ headers }) => headers.authorization?.replace("Bearer ", "") ?? []);
      const secrets = sent.flatMap((token) => [token, token.slice(token.lastIndexOf(".") + 1)]);
      return findCredentials(value, { secrets }).map(({ path }) => path);
    },
  };
}
