/** Text of one look; `to` is the id of a heading. */
export type Run = { readonly text: string; readonly strong?: true; readonly code?: true; readonly to?: string };

/** A part of a document, as whoever renders it needs it: nothing here is markup. */
export type Block =
  | { readonly kind: "heading"; readonly level: 1 | 2 | 3; readonly id: string; readonly text: string }
  | { readonly kind: "text"; readonly runs: readonly Run[]; readonly tone?: "quiet" | "note" }
  | { readonly kind: "list"; readonly items: readonly (readonly Run[])[] }
  /** Terms, and what is said of each. */
  | { readonly kind: "facts"; readonly facts: readonly (readonly [term: string, said: string])[] }
  | {
      readonly kind: "table";
      readonly caption: string;
      readonly head: readonly string[];
      /** The first cell of each row is its head. */
      readonly rows: readonly (readonly Run[])[];
    }
  /** Lines as they are, without controls but line feeds. */
  | { readonly kind: "code"; readonly text: string };
