/** What is to be undone at the end, newest first. */
export type Closers = (() => Promise<void> | void)[];

/**
 * Ends one after another, newest first, and all of them: what one fails with keeps no other from being ended.
 *
 * @throws AggregateError of what failed, once all is ended
 */
export async function closeAll(closers: Closers): Promise<void> {
  const failures: unknown[] = [];
  for (const end of closers.splice(0).reverse()) {
    try {
      await end();
    } catch (thrown) {
      failures.push(thrown);
    }
  }
  if (failures.length > 0) throw new AggregateError(failures, "the broker did not end as it should");
}
