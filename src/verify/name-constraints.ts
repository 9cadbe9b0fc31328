import { type GeneralName, type NameConstraints, URI_NAME } from "../domain/certificate-extensions.ts";

/** A host, or with a leading dot all hosts below it. */
const CONSTRAINT = /^\.?[a-z0-9_-]+(\.[a-z0-9_-]+)*$/;

/**
 * Whether constraints can be checked here: only constraints on the hosts of URIs can.
 *
 * @see RFC 5280 section 4.2.1.10
 */
export function areEvaluable({ permitted, excluded }: NameConstraints): boolean {
  return [...permitted, ...excluded].every((base) => base.kind === URI_NAME && CONSTRAINT.test(constraintOf(base)));
}

/**
 * Whether names keep to constraints that are evaluable, which constrain URIs alone.
 *
 * @see RFC 5280 section 4.2.1.10
 */
export function isWithin(names: readonly GeneralName[], { permitted, excluded }: NameConstraints): boolean {
  return names
    .filter(({ kind }) => kind === URI_NAME)
    .every((name) => {
      const host = hostOf(name);
      // A URI without a host is neither inside nor outside of a constraint, so it is refused.
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

/** The host of a URI; `undefined` for a URI with user information or a port, which no SPIFFE ID has. */
function hostOf({ content }: GeneralName): string | undefined {
  const [, host] =
    /^[a-z][a-z0-9+.-]*:\/\/([^/?#@:[\]]+)([/?#]|$)/i.exec(Buffer.from(content).toString("latin1")) ?? [];
  return host?.toLowerCase();
}
