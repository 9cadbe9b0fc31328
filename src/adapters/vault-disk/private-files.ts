/** How files for the broker's user alone are read and written; a file is there whole or not at all. */
export type PrivateFiles = {
  read(path: string): Promise<Uint8Array>;
  /** Durable once this resolves. */
  write(directory: string, name: string, content: Uint8Array): Promise<void>;
  /** Durable once this resolves. */
  remove(directory: string, name: string): Promise<void>;
  /** Names of the files of a directory. */
  list(directory: string): Promise<readonly string[]>;
};

/** What is in a file; `undefined` where there is none. */
export async function readIfThere({ read }: Pick<PrivateFiles, "read">, path: string): Promise<Uint8Array | undefined> {
  try {
    return await read(path);
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return undefined;
    throw thrown;
  }
}
