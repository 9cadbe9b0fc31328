/** What is to be undone at the end, newest first. */
export type Closers = (() => Promise<void> | void)[];

/**
 * Calls all closers one after another, newest first: a closer that fails keeps no other from being called.
 *
 * @throws AggregateError of the failures, once all closers were called
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
