/** A value kept with each of some objects. */
export type KeptWithin<Owner extends object, Value> = {
  get(owner: Owner): Value | undefined;
  /** @throws TypeError where the owner has one already. */
  set(owner: Owner, value: Value): void;
};

/** A constructor that makes nothing of its own, so that the fields of a class below it are put into the object that it is given. */
const Itself = function itself(owner: object): object {
  return owner;
} as unknown as new (
  owner: object,
) => object;

/**
 * Keeps a value in a private field of an object that somebody else made: no member, so that whoever lists, copies or logs the object
 * does not meet it. It does what a WeakMap does, and the collector finds no table to go through: with an entry for each token that was
 * verified, that table was a twentieth of what verifying costs.
 *
 * @see ECMA-262 section 13.3.7.3, BindThisValue, InitializeInstanceElements
 */
export function createKeptWithin<Owner extends object, Value>(): KeptWithin<Owner, Value> {
  class Kept extends Itself {
    readonly #value: Value;
    constructor(owner: Owner, value: Value) {
      super(owner);
      this.#value = value;
    }
    static of(owner: object): Value | undefined {
      return #value in owner ? owner.#value : undefined;
    }
  }
  return {
    get: (owner) => Kept.of(owner),
    set: (owner, value) => void new Kept(owner, value),
  };
}
