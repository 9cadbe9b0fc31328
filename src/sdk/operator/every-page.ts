/**
 * Every page of a list, one after the other. Cursors are keys, so rows that are recorded meanwhile shift nothing.
 *
 * @param list - asks for the page of a token, `""` for the first.
 * @param from - the token to begin with.
 * @example for await (const { steps } of everyPage((pageToken) => operator.history.listSteps({ filter: { pageToken } })))
 */
export async function* everyPage<Page extends { readonly nextPageToken: string }>(
  list: (pageToken: string) => Promise<Page>,
  from = "",
): AsyncGenerator<Page, void, void> {
  let pageToken = from;
  do {
    const page = await list(pageToken);
    yield page;
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
}
