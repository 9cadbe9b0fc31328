// Builds both packages under dist, each a folder that `npm publish` takes as it is: dist/stint and dist/stint-sdk.
//
// They come from one tree: the SDK imports wire, domain, verify and gen by relative path, so its folder repeats the shape of src.
import { rmSync } from "node:fs";
import { resolve } from "node:path";
import { writeBill } from "./pack/bill.ts";
import { packSdk } from "./pack/sdk.ts";
import { packStint } from "./pack/stint.ts";

const root = resolve(import.meta.dirname, "..");
const [stint, sdk, packages] = [
  resolve(root, "dist/stint"),
  resolve(root, "dist/stint-sdk"),
  resolve(root, "dist/packages"),
];
for (const folder of [stint, sdk, packages]) rmSync(folder, { recursive: true, force: true });
writeBill(root, stint, resolve(packages, "stint.cdx.json"), await packStint(root, stint));
packSdk(root, sdk);
writeBill(root, sdk, resolve(packages, "stint-sdk.cdx.json"));
