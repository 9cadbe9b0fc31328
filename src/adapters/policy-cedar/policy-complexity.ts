/**
 * The library goes down one level for each bracket and each operator, on a stack of 1 MiB. Measured with 4.13.0, it runs out
 * beyond 100 brackets in each other, 200 operators in a row or 1,000 dots in a row, and is of no use afterwards. These bounds,
 * all reached at once, take about half of that; no policy that a person can read comes near.
 */
const BRACKETS_MAX = 24;
const OPERATORS_MAX = 160;
const DOTS_MAX = 320;

/** Comments and strings, so that what is in them does not count; brackets; what makes an expression deeper. */
const TOKEN =
  /\/\/[^\n]*|"(?:[^"\\]|\\.)*"|[([{]|[)\]}]|&&|\|\||[!<>=]=?|[-+*.]|\b(?:if|when|unless|in|has|like|is)\b/gs;

/** What makes a policy too complex to be parsed; `undefined` for one that is not. */
export function complexityProblem(text: string): string | undefined {
  let depth = 0;
  let deepest = 0;
  let operators = 0;
  let dots = 0;
  for (const [token] of text.matchAll(TOKEN)) {
    if (token.startsWith("//") || token.startsWith('"')) continue;
    if ("([{".includes(token)) {
      depth += 1;
      deepest = Math.max(deepest, depth);
    } else if (")]}".includes(token)) depth -= 1;
    else if (token === ".") dots += 1;
    else operators += 1;
  }
  if (deepest > BRACKETS_MAX) return `expected at most ${BRACKETS_MAX} brackets in each other`;
  if (operators > OPERATORS_MAX)
    return `expected at most ${OPERATORS_MAX} operators; a set and contains take the place of many`;
  return dots > DOTS_MAX ? `expected at most ${DOTS_MAX} attributes` : undefined;
}
