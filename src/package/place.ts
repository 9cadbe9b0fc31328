import process from "node:process";
import { isSea } from "node:sea";
import { pathToFileURL } from "node:url";

/**
 * Where a program that is one executable file has the rest of the package: below that file, where no path leads. Absent where the package
 * is a folder.
 */
export const INSIDE: string | undefined = isSea() ? `${pathToFileURL(process.execPath).href}/` : undefined;

/** What a file of the package is called inside the executable; absent for a file of the machine. */
export function nameInside(url: URL): string | undefined {
  return INSIDE !== undefined && url.href.startsWith(INSIDE) ? url.href.slice(INSIDE.length) : undefined;
}
