import { registerHooks } from "node:module";
import { getAsset } from "node:sea";
import { INSIDE, nameInside } from "./place.ts";

/** Has this thread's imports of modules of the package answered by what is inside the executable, and those alone. */
export function serveInside(): void {
  const inside = INSIDE;
  if (inside === undefined) throw new TypeError("this program is not an executable of its own");
  registerHooks({
    resolve(specifier, context, next) {
      const isBeside = specifier.startsWith("./") && context.parentURL?.startsWith(inside) === true;
      const url = isBeside ? new URL(specifier, context.parentURL).href : specifier;
      return url.startsWith(inside) ? { url, format: "module", shortCircuit: true } : next(specifier, context);
    },
    load(url, context, next) {
      const name = nameInside(new URL(url));
      if (name === undefined) return next(url, context);
      return { source: getAsset(name, "utf8"), format: "module", shortCircuit: true };
    },
  });
}
