import { readFileSync } from "node:fs";

/** The folder lies beside `src` in a checkout and beside `dist` in the package, so this path fits both. */
const POLICIES_URL = new URL("../../../policies/", import.meta.url);

/** The folder of the policies that come with Stint. */
export const BASELINE_URL = new URL("baseline/", POLICIES_URL);

/** What policies can ask about, as a schema in the language of Cedar, each part explained. */
export function policySchemaText(): string {
  return readFileSync(new URL("stint.cedarschema", POLICIES_URL), "utf8");
}
