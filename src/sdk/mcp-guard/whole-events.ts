/** An empty line, whichever ends of lines it is between. */
const END_OF_EVENT = /(?:\r\n|\n|\r(?!\n)){2}/g;
/** An end that has begun has at most one character less than the longest end. */
const BEGUN_END_MAX = 3;

/** Puts the events of a stream together from the text that comes of it. */
export type WholeEvents = {
  /**
   * @returns the events that this text completes, without their ends.
   * @throws RangeError for an event that is longer than allowed
   */
  take(text: string): readonly string[];
};

/**
 * Whatever pieces an event comes in, each character is looked at once and copied a few times.
 *
 * @param charactersMax - of one event. What is not complete is kept, and a server could send without end.
 */
export function wholeEvents(charactersMax: number): WholeEvents {
  /** Of the event that is not complete, but for its last characters; each piece is longer than the next. */
  let pieces: string[] = [];
  let characters = 0;
  let last = "";

  function keep(text: string): void {
    let piece = text;
    characters += piece.length;
    for (let before = pieces.at(-1); before !== undefined && before.length <= piece.length; before = pieces.at(-1)) {
      pieces.pop();
      // Joined, since what `+` makes of two texts is put together only when it is read, and holds both until then.
      piece = [before, piece].join("");
    }
    pieces.push(piece);
  }

  return {
    take(text) {
      const given = last + text;
      const events: string[] = [];
      let done = 0;
      for (const { 0: end, index } of given.matchAll(END_OF_EVENT)) {
        events.push([...pieces, given.slice(done, index)].join(""));
        pieces = [];
        characters = 0;
        done = index + end.length;
      }
      const whole = Math.max(done, given.length - BEGUN_END_MAX);
      if (whole > done) keep(given.slice(done, whole));
      last = given.slice(whole);
      if (characters > charactersMax) throw new RangeError(`an event of more than ${charactersMax} characters`);
      return events;
    },
  };
}
