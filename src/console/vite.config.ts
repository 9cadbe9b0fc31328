import { resolve } from "node:path";
import { defineConfig } from "vite";

/** The console's own build: static files for `stintd`, which serves them below /console/. */
export default defineConfig({
  root: import.meta.dirname,
  base: "/console/",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  resolve: {
    // What checks proofs in the broker and on the command line checks them in the browser too.
    alias: { "node:crypto": resolve(import.meta.dirname, "proof/browser-crypto.ts") },
  },
  build: {
    outDir: resolve(import.meta.dirname, "../../dist/console"),
    emptyOutDir: true,
    target: "es2023",
    // A page under our policy loads no inline script, and no polyfill for browsers that lack modules.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    reportCompressedSize: false,
  },
});
