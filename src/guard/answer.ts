import { UpstreamFailure } from "./upstream-failure.ts";

/** What the server has answered: a text that came whole, or a stream of events as it comes. */
export type Answer = {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string | ReadableStream<Uint8Array<ArrayBuffer>> | null;
};

/** Of an answer in one piece, or of one event of a stream: as much as the guard holds to look at it. */
export const ANSWER_CHARACTERS_MAX = 32 * 1024 * 1024;

export function responseOf({ body, status, headers }: Answer): Response {
  return new Response(body, { status, headers });
}

/** Puts a text together from its pieces. @throws UpstreamFailure UPSTREAM_MALFORMED for one that is too long */
export function createTextOfPieces(): { add(piece: string): void; text(): string } {
  const pieces: string[] = [];
  let characters = 0;
  return {
    add(piece) {
      characters += piece.length;
      if (characters > ANSWER_CHARACTERS_MAX) {
        const message = `the server's answer has more than ${ANSWER_CHARACTERS_MAX} characters`;
        throw new UpstreamFailure("UPSTREAM_MALFORMED", message);
      }
      pieces.push(piece);
    },
    text: () => pieces.join(""),
  };
}
