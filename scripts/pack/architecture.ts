import process from "node:process";

/** A processor that releases are for, as Node.js calls it. */
export type Architecture = "x64" | "arm64";

export const ARCHITECTURES: readonly Architecture[] = ["x64", "arm64"];

/** As Debian and the OCI call the same processors. */
export const PORT: Readonly<Record<Architecture, "amd64" | "arm64">> = { x64: "amd64", arm64: "arm64" };

/** This machine's. @throws Error where releases are for none like it */
export function ownArchitecture(): Architecture {
  const own = ARCHITECTURES.find((one) => one === process.arch);
  if (own === undefined) throw new Error(`there are no releases for ${process.arch}`);
  return own;
}
