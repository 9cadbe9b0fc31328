import { KeyObject } from "node:crypto";
import { isAnyArrayBuffer, isExternal, isProxy } from "node:util/types";
import { SECRET_CHARACTERS_MIN } from "./secret-net.ts";

/** A text, bytes or a key somewhere in a value. */
export type Leaf =
  | { readonly kind: "content"; readonly path: string; readonly content: string | Uint8Array }
  | { readonly kind: "private-key"; readonly path: string };

type Node = { readonly path: string; readonly value: unknown };

const PLAIN_KEY = /^[A-Za-z_$][A-Za-z0-9_$]*$/;
/** A list of numbers that is shorter is no bytes of a secret. */
const BYTES_MIN = SECRET_CHARACTERS_MIN;

/**
 * All texts, bytes and keys that are stored in a value. Keys of objects are texts too.
 *
 * @param isSecret - whether a key may not stand in a path.
 */
export function* leavesOf(root: unknown, isSecret: (key: string) => boolean): Generator<Leaf> {
  const seen = new WeakSet<object>();
  const open: Node[] = [{ path: "$", value: root }];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    const { path, value } = node;
    if (typeof value === "string") yield { kind: "content", path, content: value };
    if (typeof value === "symbol") yield { kind: "content", path, content: String(value.description) };
    if ((typeof value !== "object" && typeof value !== "function") || value === null || seen.has(value)) continue;
    seen.add(value);
    // All that a proxy says of itself is computed.
    if (isProxy(value) || isExternal(value)) continue;
    const bytes = bytesOf(value);
    if (bytes !== undefined) yield { kind: "content", path, content: bytes };
    if (isPrivateKey(value)) yield { kind: "private-key", path };
    if (bytes !== undefined) continue;
    const inner: Node[] = [];
    for (const [key, member] of membersOf(value)) {
      if (isSecret(key)) yield { kind: "content", path: `${path}[a key]`, content: key };
      inner.push({ path: isSecret(key) ? `${path}[a key]` : `${path}${stepOf(key, value)}`, value: member });
    }
    inner.push(...hiddenIn(value, path));
    // The last that is put in is taken first, and paths are told in the order of the value.
    open.push(...inner.toReversed());
  }
}

function stepOf(key: string, value: object): string {
  if (Array.isArray(value) && /^\d+$/.test(key)) return `[${key}]`;
  return PLAIN_KEY.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
}

/** Own members that are stored, not computed: to call a getter might do something. */
function* membersOf(value: object): Generator<readonly [string, unknown]> {
  for (const key of Reflect.ownKeys(value)) {
    const descriptor = Reflect.getOwnPropertyDescriptor(value, key);
    if (descriptor === undefined || !("value" in descriptor)) continue;
    yield [typeof key === "symbol" ? `Symbol(${key.description ?? ""})` : key, descriptor.value];
  }
}

/** What well-known objects hold elsewhere than in members. */
function hiddenIn(value: object, path: string): readonly Node[] {
  if (value instanceof Map) {
    return [...Map.prototype.entries.call(value)].flatMap(([key, member], index) => [
      { path: `${path}.key(${index})`, value: key },
      { path: `${path}.entry(${index})`, value: member },
    ]);
  }
  if (value instanceof Set) {
    return [...Set.prototype.values.call(value)].map((member, index) => ({
      path: `${path}.entry(${index})`,
      value: member,
    }));
  }
  if (value instanceof Headers) {
    return [...value].map(([name, text]) => ({ path: `${path}.get(${JSON.stringify(name)})`, value: text }));
  }
  if (value instanceof URL || value instanceof URLSearchParams)
    return [{ path: `${path}.toString()`, value: String(value) }];
  if (value instanceof Request || value instanceof Response) {
    return [
      { path: `${path}.url`, value: value.url },
      { path: `${path}.headers`, value: value.headers },
    ];
  }
  return [];
}

/** Bytes as such, and as JSON keeps them: a list of numbers. */
function bytesOf(value: object): Uint8Array | undefined {
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  if (isAnyArrayBuffer(value)) return new Uint8Array(value);
  if (!Array.isArray(value) || value.length < BYTES_MIN) return undefined;
  return value.every((one) => Number.isInteger(one) && one >= 0 && one <= 0xff) ? Uint8Array.from(value) : undefined;
}

function isPrivateKey(value: object): boolean {
  if (value instanceof KeyObject) return value.type !== "public";
  if (value instanceof CryptoKey) return value.type !== "public";
  const stored = (name: string) => Reflect.getOwnPropertyDescriptor(value, name)?.value as unknown;
  if (typeof stored("kty") !== "string") return false;
  return ["d", "k"].some((name) => typeof stored(name) === "string");
}
