#!/usr/bin/env bash
# `PRAGMA integrity_check` looks at the pages as its connection has them. Pages that this connection has read before are taken from its
# cache for as long as nobody has committed anything, so a second check passes over whatever has happened to the file meanwhile, and
# reports "ok". A connection that is opened anew finds it. Whoever checks a database at intervals on a connection that stays open checks
# the disk once.
#
# Seen: better-sqlite3 13.2.0 under Node.js 24.
set -euo pipefail
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT

npm init -y > /dev/null
npm install --silent --ignore-scripts better-sqlite3@13.2.0
cat > seen.mjs <<'JS'
import { openSync, readFileSync, writeSync } from "node:fs";
import Database from "better-sqlite3";

const writer = new Database("it.db");
writer.pragma("journal_mode = WAL");
writer.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT)");
for (let id = 1; id <= 500; id += 1) writer.prepare("INSERT INTO t VALUES (?, ?)").run(id, `row ${id}`);
writer.pragma("wal_checkpoint(TRUNCATE)");

const checking = new Database("it.db", { readonly: true });
const check = (db) => {
  try {
    return db.pragma("integrity_check", { simple: true }) === "ok" ? "ok" : "damaged";
  } catch ({ code }) {
    return `damaged (${code})`;
  }
};
console.log(`before: ${check(checking)}`);
// The kinds and counts of all pages but the first.
const pageBytes = 4096;
const file = openSync("it.db", "r+");
for (let at = pageBytes; at < readFileSync("it.db").length; at += pageBytes) writeSync(file, Buffer.alloc(16, 0xff), 0, 16, at);
console.log(`damaged, the same connection: ${check(checking)}`);
console.log(`damaged, a new connection: ${check(new Database("it.db", { readonly: true })).slice(0, 7)}`);
JS

node seen.mjs | tee seen.txt
diff seen.txt - <<'SEEN'
before: ok
damaged, the same connection: ok
damaged, a new connection: damaged
SEEN
