/** What a line says beside its words. A fact is never named `level`, `time` or `msg`: each line has these already. */
export type Facts = Readonly<Record<string, string | number | boolean>>;

/** What is worth telling the people who run the broker. Nothing in it is ever a token, a key or a CSR. */
export type Log = {
  /** One line a request. */
  request(line: RequestLine): void;
  /** Something is wrong that no caller was told of; `error`'s own text goes to the log only. */
  fault(what: string, error: unknown): void;
  /** Something is permitted, and yet likely not meant; or the broker can't do all that it is for. */
  warning(what: string, facts?: Facts): void;
  /** What anybody can bring about as often as they like. Equal lines may be counted instead of written. */
  recurring(what: string, facts: Facts): void;
  info(what: string, facts?: Facts): void;
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
  /** The trace that the request is a part of, where that is recorded. */
  readonly traceId?: string;
};
