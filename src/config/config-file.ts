import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { ConfigError } from "./finding.ts";
import { readYaml, type YamlSource } from "./yaml-source.ts";

/** Room for more than two thousand entries; whoever has more registers them by the API. */
const FILE_BYTES_MAX = 1024 * 1024;
const WORLD_WRITABLE = 0o002;
const WRITABLE_BY_OTHERS = 0o022;
const ROOT = 0;
/** Opening a FIFO would otherwise wait for a writer for ever. */
const WITHOUT_WAITING = constants.O_RDONLY | constants.O_NONBLOCK;

/**
 * Reads the configuration file.
 *
 * @throws ConfigError when the file can't be read, is no file of at most 1 MiB in UTF-8, or may be changed by anybody:
 *   the file says who gets which credentials.
 * @param writer - given where nobody is at hand to answer for the file: then nobody but this user and root may be able
 *   to write to it.
 */
export function readConfigFile(path: string, writer?: number): YamlSource {
  const refuse = (message: string): never => {
    throw new ConfigError([{ place: { kind: "file", file: path, line: 1, column: 1 }, key: "", message }]);
  };
  const bytes = readBounded(path, writer, refuse);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return refuse("expected UTF-8");
  }
  return readYaml(text, path);
}

function readBounded(path: string, writer: number | undefined, refuse: (message: string) => never): Uint8Array {
  let descriptor: number;
  try {
    descriptor = openSync(path, WITHOUT_WAITING);
  } catch (thrown) {
    return refuse(`can't be read (${thrown instanceof Error && "code" in thrown ? String(thrown.code) : "unknown"})`);
  }
  try {
    const facts = fstatSync(descriptor);
    if (!facts.isFile()) refuse("expected a file");
    if ((facts.mode & WORLD_WRITABLE) !== 0) refuse("anybody may write to it; take that away (chmod o-w)");
    if (writer !== undefined && ((facts.mode & WRITABLE_BY_OTHERS) !== 0 || ![ROOT, writer].includes(facts.uid))) {
      refuse("others than root and the daemon's user may write to it");
    }
    if (facts.size > FILE_BYTES_MAX) refuse(`expected at most ${FILE_BYTES_MAX} bytes`);
    const bytes = new Uint8Array(facts.size);
    return bytes.subarray(0, readSync(descriptor, bytes));
  } finally {
    closeSync(descriptor);
  }
}
