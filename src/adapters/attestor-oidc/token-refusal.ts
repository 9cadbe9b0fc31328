/**
 * What is wrong with a token: its form, its issuer, the keys of the issuer (which can't be had now), its audience, its
 * times, or anything else.
 */
export type TokenFault = "form" | "issuer" | "keys" | "audience" | "times" | "other";

/** Why a token is worth nothing. Whoever asked has an error of their own for it, which says as much as their caller may know. */
export class TokenRefusal extends Error {
  override readonly name = "TokenRefusal";
  readonly fault: TokenFault;

  /** @param detail - what was expected of the form; of all else what is wrong, for the log alone. */
  constructor(fault: TokenFault, detail: string) {
    super(detail);
    this.fault = fault;
  }
}
