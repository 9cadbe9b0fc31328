import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { licenseOf } from "./licenses.ts";
import { readManifest } from "./manifest.ts";

/** What a package has of others: in it, and installed beside it. */
export type Parts = {
  /** Folders of the packages whose code is in it. */
  readonly bundled: ReadonlySet<string>;
  /** Names of those that npm installs beside it. */
  readonly installed: readonly string[];
};

/** How a part comes to whoever installs the package. */
type Delivery = "bundled" | "installed";

type Locked = {
  readonly version: string;
  readonly integrity?: string;
  readonly license?: string;
  readonly optional?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
};
type Lock = Readonly<Record<string, Locked>>;

/** Where the lock file has packages that several use. */
const MODULES = "node_modules/";

/**
 * Writes what a package consists of, as CycloneDX: each package whose code is in it (bundlers leave no trace of them that a scanner finds),
 * and each that npm installs beside it, in the versions that were tested. It has no time and no serial number, so that two builds give the
 * same bytes.
 *
 * @param folder - of the package, with its manifest.
 * @param parts - absent: nothing is bundled, and what the manifest names is installed.
 * @param others - parts that come from no lock file, as components.
 * @throws Error for a part that the lock file doesn't have, or under a license that is not known here
 * @see CycloneDX 1.6
 */
export function writeBill(
  root: string,
  folder: string,
  file: string,
  parts?: Parts,
  others: readonly Component[] = [],
): void {
  const manifest = readManifest(join(folder, "package.json"));
  const { bundled, installed } = parts ?? { bundled: new Set<string>(), installed: Object.keys(manifest.dependencies) };
  const lock = (JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as { packages: Lock }).packages;

  const inside = [...bundled].map((path) => relative(root, path));
  const roots = installed.map((name) => `${MODULES}${name}`);
  const beside = closureOf(lock, roots);
  const components = new Map<string, Component>();
  for (const path of inside) add(components, componentOf(lock, path, "bundled"));
  for (const path of beside) add(components, componentOf(lock, path, "installed"));
  for (const other of others) add(components, other);

  const purl = purlOf(manifest.name, manifest.version);
  const refOf = (path: string) => componentOf(lock, path, "installed").purl;
  const direct = [...[...inside, ...roots].map(refOf), ...others.map((other) => other.purl)];
  const bill = {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: {
      component: {
        "bom-ref": purl,
        type: "bin" in manifest ? "application" : "library",
        name: manifest.name,
        version: manifest.version,
        licenses: [{ license: { id: manifest.license } }],
        purl,
      },
    },
    components: [...components.values()].toSorted((a, b) => (a.purl < b.purl ? -1 : 1)),
    dependencies: [
      { ref: purl, dependsOn: [...new Set(direct)].toSorted() },
      ...[...beside].map((path) => ({ ref: refOf(path), dependsOn: neededBy(lock, path).map(refOf).toSorted() })),
    ],
  };
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(bill, null, 2)}\n`);
}

export type Component = {
  readonly "bom-ref": string;
  readonly type: "library" | "application";
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  readonly scope?: "required" | "optional";
  readonly licenses?: readonly ({ license: { id: string } } | { expression: string })[];
  readonly hashes?: readonly { readonly alg: string; readonly content: string }[];
  readonly properties?: readonly { readonly name: string; readonly value: string }[];
};

/** One package in two places of the tree is one component, and bundled if either is. */
function add(components: Map<string, Component>, component: Component): void {
  if (!components.has(component.purl)) components.set(component.purl, component);
}

function componentOf(lock: Lock, path: string, delivery: Delivery): Component {
  const locked = lock[path];
  if (locked === undefined) throw new Error(`${path} is not in the lock file`);
  const name = path.slice(path.lastIndexOf(MODULES) + MODULES.length);
  const { version } = locked;
  const license = licenseOf(name, version, locked.license);
  const purl = purlOf(name, version);
  return {
    "bom-ref": purl,
    type: "library",
    name,
    version,
    scope: locked.optional === true && delivery === "installed" ? "optional" : "required",
    // Of the tarball that npm has of it, which is what an advisory and a registry speak of.
    ...(locked.integrity === undefined ? {} : { hashes: [hashOf(locked.integrity)] }),
    licenses: [/ /.test(license) ? { expression: license } : { license: { id: license } }],
    purl,
    properties: [{ name: "stint:delivery", value: delivery }],
  };
}

/** @param integrity - as npm has it, e.g. `sha512-…`, in base64. */
function hashOf(integrity: string): { readonly alg: string; readonly content: string } {
  const [algorithm = "", digest = ""] = integrity.split("-", 2);
  return {
    alg: algorithm.toUpperCase().replace("SHA", "SHA-"),
    content: Buffer.from(digest, "base64").toString("hex"),
  };
}

/** @see package URL specification, type npm */
function purlOf(name: string, version: string): string {
  return `pkg:npm/${name.replace(/^@/, "%40")}@${version}`;
}

/** Places in the lock file of packages and of all that they need, those for other platforms included. */
function closureOf(lock: Lock, roots: readonly string[]): ReadonlySet<string> {
  const found = new Set<string>(roots);
  // A set that grows while it is gone through is gone through to its new end.
  for (const path of found) for (const needed of neededBy(lock, path)) found.add(needed);
  return found;
}

function neededBy(lock: Lock, path: string): readonly string[] {
  const { dependencies = {}, optionalDependencies = {} } = lock[path] ?? {};
  const names = Object.keys({ ...dependencies, ...optionalDependencies });
  return names.map((name) => placeOf(lock, name, path));
}

/** Where Node.js finds a package that the one at `from` asks for: the nearest. */
function placeOf(lock: Lock, name: string, from: string): string {
  const nearest = `${from}/${MODULES}${name}`;
  if (lock[nearest] !== undefined) return nearest;
  const above = from.lastIndexOf(`/${MODULES}`);
  return above < 0 ? `${MODULES}${name}` : placeOf(lock, name, from.slice(0, above));
}
