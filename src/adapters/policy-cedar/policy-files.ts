import { packagedIn, readPackagedText } from "../../package/files.ts";

/** The folder lies beside `src` in a checkout and beside `dist` in the package, so this path fits both. */
const POLICIES_URL = new URL("../../../policies/", import.meta.url);

const BASELINE_URL = new URL("baseline/", POLICIES_URL);

/**
 * The policies that come with Stint, by the names of their files.
 *
 * @throws Error where the package is damaged: without them what they forbid would be permitted, and nobody told
 */
export function baselineFiles(): readonly { readonly name: string; readonly text: string }[] {
  const names = packagedIn(BASELINE_URL).filter((name) => name.endsWith(".cedar"));
  if (names.length === 0) throw new Error("the package has no policies");
  return names.map((name) => ({ name, text: readPackagedText(new URL(name, BASELINE_URL)) }));
}

/** What policies can ask about, as a schema in the language of Cedar, each part explained. */
export function policySchemaText(): string {
  return readPackagedText(new URL("stint.cedarschema", POLICIES_URL));
}
