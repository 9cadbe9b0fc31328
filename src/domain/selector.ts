import { invalidField } from "./errors.ts";
import { LIMITS } from "./limits.ts";
import { groupOf, type NodeName } from "./node-name.ts";

declare const checked: unique symbol;

/** An attested attribute of a workload: `<type>:<value>`, e.g. `unix:uid:1001`. Compared exactly. */
export type Selector = string & { readonly [checked]: "selector" };

/** What a kind of selector takes as its value. */
type Form = { readonly value: RegExp; readonly expected: string };

/** Without characters that can't be seen or that reorder others: two values that look the same are the same. */
const TEXT: Form = { value: /^[^\p{C}\p{Zl}\p{Zp}]+$/u, expected: "a text without control characters" };
const DNS_LABEL = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?";
/** RFC 1123 subdomain, of which the API server makes sure. */
const KUBERNETES_NAME: Form = {
  value: /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/,
  expected: "a name of Kubernetes: letters in lower case, digits, hyphens and dots",
};
const UUID: Form = {
  value: /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
  expected: "a UUID in lower case",
};

/** Which node's machine a process is on, and of which group. The broker adds them itself, by who vouches for the process. */
const NODE = "node:name";
const GROUP = "node:group";

/** The kinds of selector this broker can attest, each with the form of its value. */
const FORMS: Readonly<Record<string, Form>> = {
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
  "oidc:iss": {
    // Plain HTTP is for an issuer on the same machine, in development.
    value:
      /^(?:https:\/\/[^\s\p{C}?#@]+|http:\/\/(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]+)?(?:\/[^\s\p{C}?#@]*)?)$/u,
    expected: "the https URL of an issuer",
  },
  "oidc:sub": TEXT,
  "oidc:claim": {
    // A name with a colon in it could be read as a shorter name and the beginning of that name's value.
    value: /^[^\s\p{C}:]{1,128}:[^\p{C}\p{Zl}\p{Zp}]+$/u,
    expected: "the name of a claim, a colon and its value",
  },
  "k8s:cluster": { value: /^[A-Za-z0-9._-]{1,128}$/, expected: "the name of a cluster, as attestation.oidc has it" },
  "k8s:ns": { value: /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, expected: "the name of a namespace" },
  "k8s:sa": KUBERNETES_NAME,
  "k8s:sa-uid": UUID,
  "k8s:pod-name": KUBERNETES_NAME,
  "k8s:pod-uid": UUID,
  "k8s:node-name": KUBERNETES_NAME,
  "x509pop:ca": {
    value: /^[0-9a-f]{64}$/,
    expected: "the SHA-256 of a CA certificate, 64 lower-case hexadecimal digits",
  },
  "x509pop:subject": { value: /^cn:[^\p{C}\p{Zl}\p{Zp}]+$/u, expected: "cn: and a common name" },
  "x509pop:serial_number": {
    value: /^(?!00)(?:[0-9a-f]{2}){1,20}$/,
    expected: "lower-case hexadecimal digits, two an octet, without leading zero octets",
  },
  "x509pop:san": {
    value: new RegExp(
      `^(?:dns:(?=.{1,253}$)${DNS_LABEL}(?:\\.${DNS_LABEL})*|uri:[A-Za-z][A-Za-z0-9+.-]*:[\\x21-\\x7e]+)$`,
    ),
    expected: "dns: and a name in lower case, or uri: and a URI",
  },
  "join_token:name": { value: /^[A-Za-z0-9._-]{1,128}$/, expected: "the name of a join token" },
  [NODE]: {
    value: /^[A-Za-z0-9._-]{1,128}(?:\/[A-Za-z0-9._-]{1,128})?$/,
    expected: "the name of a node's entry, or of a group <entry>/<machine>",
  },
  [GROUP]: { value: /^[A-Za-z0-9._-]{1,128}$/, expected: "the name of a node's entry that is a group" },
};

/**
 * Accepts a selector of a known kind: an entry with a selector that no attestor ever yields would match nothing.
 *
 * @throws BrokerError INVALID_FIELD
 */
export function parseSelector(text: string, field = "selectors"): Selector {
  const form = formOf(text);
  if (form === undefined) throw invalidField(field, `a selector of the kinds ${Object.keys(FORMS).join(", ")}`);
  if (!isOfForm(text, form)) throw invalidField(field, `${prefixOf(text)}: takes ${form.expected}`);
  return text as Selector;
}

/**
 * Accepts the URL of an OIDC issuer, which must be exactly as the issuer's tokens have it: canonical, but the slash
 * after a bare host may be missing.
 *
 * @returns the value for a selector `oidc:iss`.
 * @throws BrokerError INVALID_FIELD
 */
export function parseIssuerUrl(url: string, field = "issuer"): string {
  const isCanonical = URL.canParse(url) && [url, `${url}/`].includes(new URL(url).href);
  if (!isCanonical || selectorIfNameable("oidc:iss", url) === undefined) {
    throw invalidField(field, FORMS["oidc:iss"]?.expected ?? "");
  }
  return url;
}

export function selector(kind: string, value: string | number): Selector {
  return `${kind}:${value}` as Selector;
}

/**
 * The selector of an attested value that may have any form, such as a claim that an issuer made.
 *
 * @returns `undefined` for a value that no entry could name.
 */
export function selectorIfNameable(kind: string, value: string): Selector | undefined {
  const text = `${kind}:${value}`;
  const form = formOf(text);
  return form !== undefined && isOfForm(text, form) ? (text as Selector) : undefined;
}

function formOf(text: string): Form | undefined {
  const prefix = prefixOf(text);
  return Object.hasOwn(FORMS, prefix) ? FORMS[prefix] : undefined;
}

function isOfForm(text: string, form: Form): boolean {
  const bytes = new TextEncoder().encode(text).length;
  return bytes <= LIMITS.selectorBytesMax && form.value.test(text.slice(prefixOf(text).length + 1));
}

function prefixOf(text: string): string {
  return text.split(":", 2).join(":");
}

/** The part of a selector before its value, e.g. `unix:uid`. */
export function kindOf(text: Selector): string {
  return prefixOf(text);
}

/** The part of a selector before the first colon, e.g. `unix`: which type of evidence proves the selector. */
export function typeOf(text: Selector): string {
  return text.slice(0, text.indexOf(":"));
}

/**
 * An entry matches a workload when the workload has every one of the entry's selectors. What a node vouches for matches only
 * entries that name the node: any other entry means processes that the broker sees itself.
 */
export function matches(wanted: readonly Selector[], attested: ReadonlySet<Selector>): boolean {
  return wanted.length > 0 && wanted.every((one) => attested.has(one)) && (namesNode(wanted) || !isOfNode(attested));
}

/** The selectors of every process on the machine of a node. */
export function nodeSelectors(name: NodeName): readonly Selector[] {
  const group = groupOf(name);
  return [selector(NODE, name), ...(group === undefined ? [] : [selector(GROUP, group)])];
}

/** Whether selectors are those of processes on a machine without a broker. */
export function namesNode(selectors: readonly Selector[]): boolean {
  return nodeIn(selectors) !== undefined;
}

/** The selector that says on which node's machine, or on those of which group. */
export function nodeIn(selectors: readonly Selector[]): Selector | undefined {
  return selectors.find((one) => [NODE, GROUP].includes(kindOf(one)));
}

/** Whether selectors are those of processes on whichever machine of a group. */
export function namesGroup(selectors: readonly Selector[]): boolean {
  return selectors.some((one) => kindOf(one) === GROUP);
}

function isOfNode(attested: ReadonlySet<Selector>): boolean {
  for (const one of attested) if (one.startsWith(NODE)) return true;
  return false;
}
