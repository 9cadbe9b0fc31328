import { join } from "node:path";
import type { Plugin } from "rolldown";

/** What packages have in a file that is no JavaScript, by the name that the executable has it under. */
export const WASM = "cedar_wasm_bg.wasm";
export const SQLITE = "better_sqlite3.node";
export const KOFFI = "koffi.node";

/**
 * Has packages that look for such a file beside them take what is inside the executable.
 *
 * @throws Error where a later version of one asks in another way
 */
export function filesInside(root: string): Plugin {
  const native = JSON.stringify(join(root, "src/package/load-native.ts"));
  const files = [
    {
      id: /\/better-sqlite3\/lib\/binding\.js$/,
      asked: /^.*function getBinding\(nativeBinding\).*$/s,
      taken: `const { loadNative } = require(${native}); let addon; exports.getBinding = () => (addon ??= loadNative("${SQLITE}"));`,
    },
    {
      id: /\/koffi\/src\/koffi\/src\/static\.js$/,
      asked: /^.*function loadStatic\(pkg\).*export \{ loadStatic \}\s*$/s,
      taken: `import { loadNative } from ${native}; export const loadStatic = () => loadNative("${KOFFI}");`,
    },
    {
      id: /\/cedar-wasm\/nodejs\/cedar_wasm\.js$/,
      asked: /const wasmPath = .*const wasmBytes = require\('fs'\)\.readFileSync\(wasmPath\);/s,
      taken: `const wasmBytes = new Uint8Array(require("node:sea").getAsset("${WASM}"));`,
    },
  ];
  return {
    name: "files-inside",
    transform: {
      filter: { id: files.map(({ id }) => id) },
      handler(code, path) {
        const file = files.find(({ id }) => id.test(path));
        if (file?.asked.test(code) !== true)
          throw new Error(`${path} does not ask for its file as it did: see filesInside`);
        return code.replace(file.asked, () => file.taken);
      },
    },
  };
}
