import { parse } from "yaml";
import { readPackagedText } from "../../package/files.ts";
import type { Json } from "../output/view.ts";
import { type Claims, claimsFrom, type Framework, frameworkFrom } from "./framework.ts";
import type { FrameworkName } from "./framework-names.ts";

/** Of the package, beside `policies`. */
const FRAMEWORKS_URL = new URL("../../../frameworks/", import.meta.url);

/** @throws TypeError, Error where the package is damaged */
export async function readFramework(name: FrameworkName): Promise<Framework> {
  return frameworkFrom(name, await parsed(name), await readClaims());
}

/** @throws TypeError, Error where the package is damaged */
export async function readClaims(): Promise<Claims> {
  return claimsFrom(await parsed("claims"));
}

async function parsed(name: string): Promise<Json> {
  return parse(readPackagedText(new URL(`${name}.yaml`, FRAMEWORKS_URL))) as Json;
}
