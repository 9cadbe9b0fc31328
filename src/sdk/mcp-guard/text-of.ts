/** Of an answer in JSON, or of one event; eight times the largest request. It is held as a whole to be looked at. */
export const ANSWER_CHARACTERS_MAX = 32 * 1024 * 1024;

/** A body as a whole, read as UTF-8. @throws RangeError for more than is allowed; and what reading throws */
export async function textOf(body: AsyncIterable<Uint8Array>, charactersMax = ANSWER_CHARACTERS_MAX): Promise<string> {
  const decoder = new TextDecoder();
  const pieces: string[] = [];
  let characters = 0;
  for await (const chunk of body) {
    const piece = decoder.decode(chunk, { stream: true });
    characters += piece.length;
    if (characters > charactersMax) throw new RangeError(`an answer of more than ${charactersMax} characters`);
    pieces.push(piece);
  }
  return [...pieces, decoder.decode()].join("");
}
