import { readFileSync, statSync } from "node:fs";
import { createTurnMemory } from "./turn-memory.ts";

/** Names of local accounts by id; `undefined` where there is none. */
export type AccountNames = {
  userName(uid: number): string | undefined;
  groupName(gid: number): string | undefined;
};

export type AccountFiles = { readonly passwd: string; readonly group: string };

/**
 * Knows local accounts alone: a directory service behind the C library's lookup may take seconds or hang, and the event
 * loop would wait for it. An account that only a directory service knows has no name here, and is matched by its
 * number.
 *
 * @see passwd(5), group(5)
 */
export function createAccountNames(files: AccountFiles = { passwd: "/etc/passwd", group: "/etc/group" }): AccountNames {
  const users = namesIn(files.passwd);
  const groups = namesIn(files.group);
  return { userName: (uid) => users().get(uid), groupName: (gid) => groups().get(gid) };
}

type Names = ReadonlyMap<number, string>;

/**
 * The names in one file, looked at once in a turn of the event loop, and read again whenever the file has changed. A
 * file that can't be read holds none.
 */
function namesIn(path: string): () => Names {
  const thisTurn = createTurnMemory<string, Names>();
  let names: Names = new Map();
  let version: string | undefined;
  function look(): Names {
    try {
      const { dev, ino, size, mtimeMs, ctimeMs } = statSync(path);
      const current = `${dev}/${ino}/${size}/${mtimeMs}/${ctimeMs}`;
      if (current !== version) {
        names = parseAccounts(readFileSync(path, "utf8"));
        version = current;
      }
    } catch {
      names = new Map();
      version = undefined;
    }
    return names;
  }
  return () => thisTurn.get(path) ?? thisTurn.keep(path, look());
}

/** Name and id stand first and third on a line in both files. The first line with an id counts, as in the C library. */
export function parseAccounts(text: string): Names {
  const names = new Map<number, string>();
  for (const line of text.split("\n")) {
    const [name = "", , id = ""] = line.split(":");
    // A name that a selector could not hold is no name; neither is a line that compat mode gives another meaning.
    if (!/^[^\s:/+-][^\s:/]*$/.test(name) || !/^\d{1,10}$/.test(id)) continue;
    if (!names.has(Number(id))) names.set(Number(id), name);
  }
  return names;
}
