import { type GeneralName, type NameConstraints, URI_NAME } from "../domain/certificate-extensions.ts";

/** A host, or with a leading dot all that lie below it. */
const CONSTRAINT = /^\.?[a-z0-9_-]+(\.[a-z0-9_-]+)*$/;

/**
 * Whether constraints can be held against names here: those on URIs, by their host.
 *
 * @see RFC 5280 section 4.2.1.10
 */
export function areEvaluable({ permitted, excluded }: NameConstraints): boolean {
  return [...permitted, ...excluded].every((base) => base.kind === URI_NAME && CONSTRAINT.test(constraintOf(base)));
}

/**
 * Whether names keep to constraints that are evaluable. Only URIs are constrained by them.
 *
 * @see RFC 5280 section 4.2.1.10
 */
export function isWithin(names: readonly GeneralName[], { permitted, excluded }: NameConstraints): boolean {
  return names
    .filter(({ kind }) => kind === URI_NAME)
    .every((name) => {
      const host = hostOf(name);
      // What has no host can't be told to be inside, nor outside.
      if (host === undefined) return false;
      const isPermitted = permitted.length === 0 || permitted.some((base) => covers(constraintOf(base), host));
      return isPermitted && !excluded.some((base) => covers(constraintOf(base), host));
    });
}

function covers(constraint: string, host: string): boolean {
  return constraint.startsWith(".") ? host.endsWith(constraint) && host !== constraint : host === constraint;
}

function constraintOf({ content }: GeneralName): string {
  return Buffer.from(content).toString("latin1").toLowerCase();
}

/** The host of a URI without user information or port, which neither a SPIFFE ID nor a constraint has. */
function hostOf({ content }: GeneralName): string | undefined {
  const [, host] =
    /^[a-z][a-z0-9+.-]*:\/\/([^/?#@:[\]]+)([/?#]|$)/i.exec(Buffer.from(content).toString("latin1")) ?? [];
  return host?.toLowerCase();
}
