#!/usr/bin/env bash
# pdfkit's module for Node.js asks for its standard fonts by a `require` that it makes of `createRequire`, with a name that means something
# in its own package alone (`#standard-fonts/Helvetica`). A bundler follows neither: the bundle is made without a warning, and fails where the first
# text is written. The same program runs from node_modules. `pdfkit/standard-fonts/Helvetica`, which the package exports, is not looked at
# there, and the function that registers fonts (`registerStdFonts`) is exported by the module for browsers alone.
#
# Seen: pdfkit 0.20.2, rolldown 1.2.19, esbuild 0.28.1 (npm), Node.js 24.20.0.
set -euo pipefail
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT

npm init -y > /dev/null
npm install --silent --ignore-scripts pdfkit@0.20.2 rolldown@1.2.19 esbuild@0.28.1
cat > program.mjs <<'JS'
import * as pdfkit from "pdfkit";

const document = new pdfkit.default({ font: "Helvetica" });
document.resume();
document.text("a text").end();
console.log("written; exports registerStdFonts:", Object.hasOwn(pdfkit, "registerStdFonts"));
JS
said() { "$@" 2>&1 | grep -oE "written.*|Cannot find module '[^']*'" | head -1; }
{
  echo "node_modules: $(said node program.mjs)"
  node_modules/.bin/rolldown program.mjs --platform node --file rolldown.mjs > bundled.txt 2>&1
  grep -ci warn bundled.txt || true
  mkdir alone && mv rolldown.mjs alone
  echo "rolldown: $(said node alone/rolldown.mjs || true)"
  node_modules/.bin/esbuild program.mjs --bundle --platform=node --format=esm --outfile=alone/esbuild.mjs --log-level=warning > bundled.txt 2>&1
  grep -ci warn bundled.txt || true
  echo "esbuild: $(said node alone/esbuild.mjs || true)"
} | tee seen.txt
diff seen.txt - <<'SEEN'
node_modules: written; exports registerStdFonts: false
0
rolldown: Cannot find module '#standard-fonts/Helvetica'
0
esbuild: Cannot find module '#standard-fonts/Helvetica'
SEEN
