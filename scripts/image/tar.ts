import { execFileSync } from "node:child_process";

/** Who owns what is in a layer, and what of it others may do; as GNU tar takes it. */
type Ownership = { readonly id: number; readonly mode: string };

/** Nobody's but root's to write, and everybody's to read. */
const ROOTS: Ownership = { id: 0, mode: "u=rwX,go=rX" };

/**
 * Writes what is in a folder: the same bytes for the same contents, whenever and by whomever they were written.
 *
 * @param members - paths in the folder; absent: all.
 */
export function writeTar(folder: string, file: string, { id, mode } = ROOTS, members: readonly string[] = ["."]): void {
  const names = ["--sort=name", "--format=ustar"];
  const times = ["--mtime=@0"];
  const owner = [`--owner=${id}`, `--group=${id}`, "--numeric-owner", `--mode=${mode}`];
  execFileSync("tar", [
    "--create",
    ...names,
    ...times,
    ...owner,
    `--directory=${folder}`,
    `--file=${file}`,
    ...members,
  ]);
}
