#!/usr/bin/env bash
# `StatusList` of @sd-jwt/jwt-status-list says that a status is out of range when it is larger than 2 ** bits, where the largest that fits is one
# less; `setStatus` looks at nothing. So a list of one bit takes the status 2, SUSPENDED of the OAuth Token Status List, without an
# error, and `getStatus` gives it back. Once it is encoded, the token that was suspended is valid, and the one after it is not: the number is
# written out in as many digits as it has, and moves those after it. So whoever takes back tokens with more than 0 and 1 has to give the list
# two bits or more from its beginning.
#
# Seen: @sd-jwt/jwt-status-list 0.19.0 (npm), Node.js 24.20.0.
set -euo pipefail
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT

npm install --silent --no-fund --no-audit --ignore-scripts @sd-jwt/jwt-status-list@0.19.0
cat > seen.mjs <<'JS'
import { StatusList } from "@sd-jwt/jwt-status-list";

for (const bits of [1, 2]) {
  const list = new StatusList([0, 0, 0, 0, 0, 0, 0, 0], bits);
  list.setStatus(1, 2);
  const read = StatusList.decompressStatusList(list.compressStatusList(), bits);
  console.log(`${bits} bits: token 1 was set to ${list.getStatus(1)}; read back: ${read.statusList.join(" ")}`);
}
new StatusList([0, 2], 1);
console.log("a list of one bit is made of 0 and 2");
JS

node seen.mjs | tee seen.txt
diff seen.txt - <<'SEEN'
1 bits: token 1 was set to 2; read back: 0 0 1 0 0 0 0 0
2 bits: token 1 was set to 2; read back: 0 2 0 0 0 0 0 0
a list of one bit is made of 0 and 2
SEEN
