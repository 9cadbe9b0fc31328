import { readFileSync } from "node:fs";

/** The package's version; the file is at the same place from the sources and from the published package. */
export function readVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8"));
  const { version } = manifest as { readonly version: string };
  return version;
}
