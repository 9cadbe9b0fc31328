import { globSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join, sep } from "node:path";
import process from "node:process";
import { type OutputChunk, type Plugin, rolldown } from "rolldown";
import { build } from "vite";
import type { Parts } from "./bill.ts";
import { filesInside } from "./inside.ts";
import { licenseOf } from "./licenses.ts";

/** Where programs and threads lie in the package: three folders deep, as all of `src` that looks for a file of the package by its own place. */
export const BUNDLE = "dist/bundle/esm";
/** Where `src/api/console/assets.ts` looks for it, in the package as in a checkout. */
const CONSOLE = "dist/console";
/** What is not JavaScript alone; npm installs it. */
const INSTALLED = ["@cedar-policy/cedar-wasm", "better-sqlite3", "koffi"] as const;
/** There for whoever installs it. */
const OPTIONAL = ["pkcs11js", "pg-native"];

/** Whether what is not JavaScript is beside the programs, or inside the executable with them. */
type Delivery = "beside" | "inside";

/**
 * Writes the programs into a package, and whose code is in them. A program that is made of a thousand files takes most of its start to
 * find them.
 *
 * @throws Error for another's code that comes with no license, or with one that is not known here
 */
export async function bundlePrograms(root: string, folder: string): Promise<Parts> {
  // Whatever the environment says: elsewhere vite keeps what helps to debug a page, and in it where the checkout lies.
  process.env["NODE_ENV"] = "production";
  const modules = [
    ...(await writePrograms(root, join(folder, BUNDLE))),
    ...(await writeConsole(root, join(folder, CONSOLE))),
  ];
  const bundled = new Set(modules.flatMap(packageOf));
  writeFileSync(join(folder, "THIRD-PARTY-NOTICES"), noticesOf(bundled));
  return { bundled, installed: INSTALLED };
}

/** What one thread loads into another's by its place: bundled with it, so that both have the same classes. */
const TOGETHER = [
  "adapters/ledger-sqlite/writer",
  "adapters/ledger-postgres/shared-log",
  "adapters/signer-disk/commit-signer",
].map((path) => `${path}-worker.ts`);

/**
 * Writes the programs alone, each in as few files as what it loads later allows: none shares a file with another, since what all share would
 * be a file for each way of sharing.
 *
 * @param directory - three folders below what has `migrations`, `policies` and `package.json`.
 * @returns paths of the modules that are in them.
 */
export async function writePrograms(
  root: string,
  directory: string,
  delivery: Delivery = "beside",
): Promise<readonly string[]> {
  const threads = globSync("**/*-worker.ts", { cwd: join(root, "src") }).filter((path) => !TOGETHER.includes(path));
  const programs = [["cli/stint.ts"], ["cli/stintd.ts"], TOGETHER, ...threads.map((path) => [path])];
  const modules = await Promise.all(programs.map((paths) => writeProgram(root, paths, directory, delivery)));
  return [...new Set(modules.flat())];
}

/** @param paths - below `src`; the first names the files that they are made of. */
async function writeProgram(
  root: string,
  paths: readonly string[],
  directory: string,
  delivery: Delivery,
): Promise<readonly string[]> {
  const input = Object.fromEntries(paths.map((path) => [basename(path, ".ts"), join(root, "src", path)]));
  const [program] = Object.keys(input);
  const bundle = await rolldown({
    cwd: root,
    platform: "node",
    // A thread is started by a URL beside the module that starts it: all of them are in one folder, under their own names.
    input,
    external: [...(delivery === "beside" ? INSTALLED : []), ...OPTIONAL].map((name) => new RegExp(`^${name}(/|$)`)),
    plugins: [fontsOfPdfkit(), ...(delivery === "inside" ? [filesInside(root)] : [])],
  });
  const { output } = await bundle.write({
    dir: directory,
    format: "esm",
    entryFileNames: "[name].js",
    chunkFileNames: `${program}-[name]-[hash].js`,
  });
  return output.flatMap((file) => (file.type === "chunk" ? (file as OutputChunk).moduleIds : []));
}

/**
 * Writes the operators' web page.
 *
 * @returns paths of the modules that are in it.
 */
export async function writeConsole(root: string, directory = join(root, CONSOLE)): Promise<readonly string[]> {
  const built = await build({
    configFile: join(root, "src/console/vite.config.ts"),
    logLevel: "warn",
    build: { outDir: directory },
  });
  const outputs = [built].flat().flatMap((one) => ("output" in one ? one.output : []));
  return outputs.flatMap((file) => (file.type === "chunk" ? file.moduleIds : []));
}

/**
 * pdfkit asks for its fonts by a `require` that it makes itself, which no bundler follows: without this a PDF fails where its first text is
 * written.
 *
 * @throws Error where a later pdfkit asks in another way
 */
function fontsOfPdfkit(): Plugin {
  return {
    name: "fonts-of-pdfkit",
    transform: {
      filter: { id: /\/pdfkit\.node\.mjs$/ },
      handler(code) {
        const asked = [
          ...new Set([...code.matchAll(/require\$1\('#standard-fonts\/(\w+)'\)/g)].map(([, name]) => name)),
        ];
        if (asked.length === 0) throw new Error("pdfkit does not ask for its fonts as it did: see fontsOfPdfkit");
        const imports = asked.map((name) => `import font${name} from "pdfkit/standard-fonts/${name}";`);
        return `${imports.join("")}${code.replaceAll(/require\$1\('#standard-fonts\/(\w+)'\)/g, "font$1")}`;
      },
    },
  };
}

/** The folder of the package that a module is of; none for ours. */
export function packageOf(module: string): readonly string[] {
  const [, inner] = module.replace(/^\0/, "").split(/(?<=.*node_modules\/)(?!.*node_modules\/)/s);
  if (inner === undefined) return [];
  const [scope = "", name = ""] = inner.split(sep);
  const folder = scope.startsWith("@") ? join(scope, name) : scope;
  return [join(module.slice(0, module.length - inner.length), folder)];
}

/** The licenses of packages whose code is in what is given away, by their folders. */
export function noticesOf(folders: ReadonlySet<string>): string {
  const notices = [...folders].map((folder) => {
    type Manifest = { readonly name: string; readonly version: string; readonly license?: string };
    const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;
    const { name, version } = manifest;
    const license = licenseOf(name, version, manifest.license);
    const files = readdirSync(folder).filter((file) => /^(licen[cs]e|copying|notice)/i.test(file));
    const texts = files.map((file) => readFileSync(join(folder, file), "utf8").trim());
    return `${name} ${version} (${license})\n\n${texts.join("\n\n")}`;
  });
  const rule = `\n\n${"=".repeat(80)}\n\n`;
  return `These packages are part of the programs of Stint, or of its console.${rule}${notices.toSorted().join(rule)}\n`;
}
