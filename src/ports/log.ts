/** What is worth telling the people who run the broker. Nothing in it is ever a token, a key or a CSR. */
export type Log = {
  /** One line a request. */
  request(line: RequestLine): void;
  /** Something is wrong that no caller was told of; `error`'s own text goes to the log only. */
  fault(what: string, error: unknown): void;
  /** Something is permitted, and yet likely not meant. */
  warning(what: string): void;
  info(what: string, facts?: Readonly<Record<string, string | number | boolean>>): void;
};

export type RequestLine = {
  readonly method: string;
  readonly uid: number;
  readonly pid: number;
  /** Names of the entries the caller matched, `kind/name`. */
  readonly caller: readonly string[];
  /** `OK`, a reason, or `INTERNAL`. */
  readonly outcome: string;
  readonly durationMs: number;
  /** For the log alone. */
  readonly detail?: string;
  readonly ids: Readonly<Record<string, string>>;
};
