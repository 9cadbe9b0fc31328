/** How careful a run has to be once it was granted a class of data. */
export const SENSITIVITIES = ["ordinary", "restricted", "untrusted"] as const;
export type Sensitivity = (typeof SENSITIVITIES)[number];

export type DataClass = {
  readonly sensitivity: Sensitivity;
  /** Where a run that was granted the class may still write, execute and move data: locations, in canonical form. */
  readonly securityDomain: readonly string[];
};

/** Which grants of a class count for a step: those of its run, or those of all runs of its principal. */
export const RATCHETS = ["run", "principal"] as const;
export type Ratchet = (typeof RATCHETS)[number];

/** What the configuration says of classes of data. It belongs to a set of policies, and changes with it. */
export type DataClasses = {
  readonly ratchet: Ratchet;
  readonly classes: Readonly<Record<string, DataClass>>;
};

export const NO_DATA_CLASSES: DataClasses = { ratchet: "run", classes: {} };

/** A class that nobody has listed is restricted, and nowhere is inside of its security domain. */
const UNLISTED: DataClass = { sensitivity: "restricted", securityDomain: [] };

export function dataClass({ classes }: DataClasses, name: string): DataClass {
  return Object.hasOwn(classes, name) ? (classes[name] ?? UNLISTED) : UNLISTED;
}

/** Classes that a run does not come back from: `restricted` and `untrusted`. */
function isSensitive({ sensitivity }: DataClass): boolean {
  return sensitivity !== "ordinary";
}

/**
 * Where a run may still write, execute and move data.
 *
 * @param granted - the classes that the run was granted, those that are asked for included.
 * @returns the locations that are in the security domain of each sensitive class among them; `undefined` where none is
 *   sensitive, and no location is out of bounds
 */
export function confinementOf(granted: readonly string[], known: DataClasses): readonly string[] | undefined {
  const domains = granted.map((name) => dataClass(known, name)).filter(isSensitive);
  const [first, ...others] = domains;
  if (first === undefined) return undefined;
  return first.securityDomain.filter((one) => others.every(({ securityDomain }) => securityDomain.includes(one)));
}
