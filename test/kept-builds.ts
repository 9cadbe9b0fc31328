import { homedir } from "node:os";
import { join } from "node:path";

/**
 * Where tests keep the packages of others that they install or compile, each by the digest of its lock file: for all checkouts of a
 * user, as Go, Cargo and Maven keep what they download.
 */
export const KEPT_BUILDS = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "stint", "builds");
