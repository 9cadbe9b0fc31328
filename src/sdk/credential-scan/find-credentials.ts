import { type CredentialKind, credentialsIn, isPrivateKeyDer } from "./credential-shapes.ts";
import { beginsAsText, type Reading, readingsOfBytes, readingsOfText } from "./encoded-texts.ts";
import { createSecretNet, SECRET_CHARACTERS_MIN } from "./secret-net.ts";
import { type Leaf, leavesOf } from "./value-leaves.ts";

/** A credential, and where it is. Nothing of it is shown, not even its length. */
export type CredentialFinding = {
  /** From the value that was searched, as a program would write it: `$.steps[0].content`. A key that is a credential is not shown. */
  readonly path: string;
  /** `given`: one of `secrets`. */
  readonly kind: CredentialKind | "given";
  /** What has to be undone to see it, the outermost first; empty: it stands there as it is. */
  readonly encodings: readonly string[];
};

/** Encodings within encodings: a token in JSON in Base64 in a URL, and one more. */
const ENCODINGS_MAX = 4;

/**
 * Every credential in a value, however deep: compact JWTs (all tokens of Stint's are such), private keys (PEM, DER, JWK, of Node.js), and the
 * secrets that are given; as they are, and behind JSON, URL, hex, Base64, gzip and zlib, also one in another.
 *
 * Looks at what is stored: own members of all objects, also hidden ones and those named by symbols, members of maps and sets, bytes,
 * errors with their causes, headers and URLs. No getter is called and no iterator is run, and cycles end. What a function closes over,
 * private fields and encrypted text can't be seen.
 *
 * @param options.secrets - more to look for, of 8 characters and more: API keys, say.
 * @throws RangeError for a secret that is shorter: it would be found everywhere
 * @example
 * expect(findCredentials(result.steps)).toEqual([]);
 */
export function findCredentials(
  value: unknown,
  options: { readonly secrets?: readonly string[] | undefined } = {},
): readonly CredentialFinding[] {
  const { secrets = [] } = options;
  if (secrets.some(({ length }) => length < SECRET_CHARACTERS_MIN)) {
    throw new RangeError(`a secret to look for has at least ${SECRET_CHARACTERS_MIN} characters`);
  }
  const net = createSecretNet(secrets);
  const kindsIn = (text: string): readonly CredentialFinding["kind"][] => [
    ...credentialsIn(text).map(({ kind }) => kind),
    ...(secrets.length > 0 && net.holds(text) ? (["given"] as const) : []),
  ];
  const findings: CredentialFinding[] = [];
  for (const leaf of leavesOf(value, (key) => kindsIn(key).length > 0)) {
    const found = new Map<string, CredentialFinding>();
    for (const { kind, encodings } of inLeaf(leaf, kindsIn)) {
      // What is seen without undoing anything need not be told again for each way in which it could be read.
      if (!found.has(kind)) found.set(kind, { path: leaf.path, kind, encodings });
    }
    findings.push(...found.values());
  }
  return findings;
}

type Found = Omit<CredentialFinding, "path">;

function* inLeaf(leaf: Leaf, kindsIn: (text: string) => readonly Found["kind"][]): Generator<Found> {
  if (leaf.kind === "private-key") {
    yield { kind: "private-key", encodings: [] };
    return;
  }
  let contents: readonly { readonly content: string | Uint8Array; readonly encodings: readonly string[] }[] = [
    { content: leaf.content, encodings: [] },
  ];
  for (let depth = 0; depth <= ENCODINGS_MAX && contents.length > 0; depth += 1) {
    for (const { content, encodings } of contents) {
      for (const kind of kindsIn(textOf(content))) yield { kind, encodings };
      if (typeof content !== "string" && isPrivateKeyDer(content)) yield { kind: "private-key", encodings };
    }
    contents = contents.flatMap(({ content, encodings }) => {
      const readings = readingsOf(content, encodings.length > 0);
      return readings.map(({ how, content: inner }) => ({ content: inner, encodings: [...encodings, how] }));
    });
  }
}

function readingsOf(content: string | Uint8Array, wasDecoded: boolean): readonly Reading[] {
  if (typeof content === "string") return readingsOfText(content);
  const decompressed = readingsOfBytes(content);
  if (decompressed.length > 0) return decompressed;
  return wasDecoded && !beginsAsText(content) ? [] : readingsOfText(textOf(content));
}

/** Latin 1 has a character for each byte, so that nothing is lost; what is looked for is ASCII. */
function textOf(content: string | Uint8Array): string {
  return typeof content === "string" ? content : Buffer.from(content).toString("latin1");
}
