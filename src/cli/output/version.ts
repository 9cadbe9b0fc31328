import { readPackagedText } from "../../package/files.ts";

/** The package's version; the file is at the same place from the sources and from the published package. */
export function readVersion(): string {
  const manifest: unknown = JSON.parse(readPackagedText(new URL("../../../package.json", import.meta.url)));
  const { version } = manifest as { readonly version: string };
  return version;
}
