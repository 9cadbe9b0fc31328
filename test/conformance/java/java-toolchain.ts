import { execFile } from "node:child_process";
import { globSync, realpathSync } from "node:fs";
import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { isMissing } from "../toolchain.ts";

/** Time to download and compile, once for a machine; afterwards it is in Maven's repository. */
export const JAVA_BUILD_MS_MAX = 300_000;

const run = promisify(execFile);

const JAVA = {
  name: "a JDK of 17 or later, or Maven,",
  commands: [
    ["javac", "--release", "17", "--version"],
    ["mvn", "--version"],
  ],
} as const;

/** @param tests - what is skipped where a JDK of at least 17 or Maven is absent; see `isMissing`. */
export const javaIsMissing = (tests: string) => isMissing(JAVA, tests);

/**
 * Downloads what the program in a folder needs, compiles it into another folder, and gives the command that runs it: first the executable.
 *
 * @param program - the class whose `main` is run.
 */
export async function buildJava(folder: string, into: string, program = "Workload"): Promise<readonly string[]> {
  const libraries = join(into, "libraries");
  await mkdir(into, { recursive: true });
  // Maven writes beside its pom.xml.
  await copyFile(join(folder, "pom.xml"), join(into, "pom.xml"));
  const copying = ["dependency:copy-dependencies", `-DoutputDirectory=${libraries}`];
  await run("mvn", ["--batch-mode", "--quiet", ...copying], { cwd: into });
  const classes = join(into, "classes");
  const libraryPath = join(libraries, "*");
  const sources = globSync("*.java", { cwd: folder }).map((name) => join(folder, name));
  await run("javac", ["--release", "17", "-cp", libraryPath, "-d", classes, ...sources]);
  return [await javaExecutable(), "-cp", `${classes}:${libraryPath}`, program];
}

/** The program itself, behind whatever links and wrappers `java` is reached by: an entry is to name it. */
async function javaExecutable(): Promise<string> {
  const { stderr } = await run("java", ["-XshowSettings:properties", "-version"]);
  const [, home] = /^ *java\.home = (.+)$/m.exec(stderr) ?? [];
  if (home === undefined) throw new Error("java does not say where it is");
  return realpathSync(join(home, "bin", "java"));
}
