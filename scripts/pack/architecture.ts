import process from "node:process";

/** A processor that releases are for, as Node.js calls it. */
export type Architecture = "x64" | "arm64";

const ARCHITECTURES: readonly Architecture[] = ["x64", "arm64"];

/** As Debian and the OCI call the same processors. */
export const PORT: Readonly<Record<Architecture, "amd64" | "arm64">> = { x64: "amd64", arm64: "arm64" };

/**
 * The one of a name, or all where none is named.
 *
 * @throws Error for a processor that releases are not for
 */
export function architecturesOf(name: string | undefined): readonly Architecture[] {
  const named = ARCHITECTURES.filter((one) => name === undefined || one === name);
  if (named.length === 0) throw new Error(`there are no releases for ${name}`);
  return named;
}

/** This machine's. @throws Error where releases are for none like it */
export function ownArchitecture(): Architecture {
  const [own] = architecturesOf(process.arch);
  return own as Architecture;
}
