import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
export const repository = resolve(import.meta.dirname, "../../..");

/** Where the module's sources are. */
export const GO_CLIENT = join(repository, "clients/go");

/** The module as somebody has it who uses it: a copy outside of the repository. */
export type GoClient = {
  readonly module: string;
  readonly environment: NodeJS.ProcessEnv;
  /** Compiles a program of test/clients/go/programs, which finds the module in a workspace, and gives where it is. */
  build(name: string): Promise<string>;
  readonly folder: string;
};

export function copiedGoClient(): GoClient {
  const folder = mkdtempSync(join(tmpdir(), "stint-go-"));
  const module = join(folder, "stint");
  const programs = join(folder, "programs");
  cpSync(GO_CLIENT, module, { recursive: true });
  cpSync(join(import.meta.dirname, "programs"), programs, { recursive: true });
  writeFileSync(join(folder, "go.work"), "go 1.26.0\n\nuse (\n\t./stint\n\t./programs\n)\n");
  // Where the copy lies is in nothing that is compiled, so that the cache holds from copy to copy.
  const flags = { GOFLAGS: "-trimpath -mod=readonly" };
  const environment = { ...process.env, ...flags, GOWORK: "off", STINT_VECTORS: join(repository, "test/vectors") };
  return {
    module,
    environment,
    folder,
    async build(name) {
      const program = join(folder, "bin", name);
      await run("go", ["build", "-o", program, `./${name}`], {
        cwd: programs,
        env: { ...environment, GOWORK: join(folder, "go.work") },
      });
      return program;
    },
  };
}
