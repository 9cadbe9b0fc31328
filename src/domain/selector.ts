import { invalidField } from "./errors.ts";
import { LIMITS } from "./limits.ts";

declare const checked: unique symbol;

/** An attested attribute of a workload: `<type>:<value>`, e.g. `unix:uid:1001`. Compared exactly. */
export type Selector = string & { readonly [checked]: "selector" };

/** The kinds of selector this broker can attest, each with the form of its value. */
const FORMS: Readonly<Record<string, { readonly value: RegExp; readonly expected: string }>> = {
  "unix:uid": { value: /^(0|[1-9][0-9]{0,9})$/, expected: "a user id" },
  "unix:gid": { value: /^(0|[1-9][0-9]{0,9})$/, expected: "a group id" },
  "unix:supplementary_gid": { value: /^(0|[1-9][0-9]{0,9})$/, expected: "a group id" },
  "unix:user": { value: /^[^\s:/]+$/, expected: "a user name" },
  "unix:group": { value: /^[^\s:/]+$/, expected: "a group name" },
  "unix:path": { value: /^\/[^\0]+$/, expected: "an absolute path" },
  "systemd:unit": {
    value: /^[A-Za-z0-9:_.\\@-]{1,247}\.service$/,
    expected: "the name of a system service, e.g. worker.service",
  },
  "unix:sha256": { value: /^[0-9a-f]{64}$/, expected: "64 lower-case hexadecimal digits" },
};

/**
 * Accepts a selector of a known kind: one that no attestor ever yields would make an entry that nothing matches.
 *
 * @throws BrokerError INVALID_FIELD
 */
export function parseSelector(text: string, field = "selectors"): Selector {
  const [type, key, ...rest] = text.split(":");
  const form = FORMS[`${type}:${key}`];
  if (form === undefined) throw invalidField(field, `a selector of the kinds ${Object.keys(FORMS).join(", ")}`);
  if (text.length > LIMITS.selectorBytesMax || !form.value.test(rest.join(":"))) {
    throw invalidField(field, `${type}:${key}: takes ${form.expected}`);
  }
  return text as Selector;
}

export function selector(kind: string, value: string | number): Selector {
  return `${kind}:${value}` as Selector;
}

/** What stands before the value, e.g. `unix:uid`. */
export function kindOf(text: Selector): string {
  return text.split(":", 2).join(":");
}

/** An entry matches a workload when the workload has every one of its selectors. */
export function matches(wanted: readonly Selector[], attested: ReadonlySet<Selector>): boolean {
  return wanted.length > 0 && wanted.every((one) => attested.has(one));
}
