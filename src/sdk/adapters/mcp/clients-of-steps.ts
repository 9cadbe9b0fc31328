import type { Fetch, Step } from "../../runtime/index.ts";

/** Clients that are kept for as long as a step is open. */
export type ClientsOfSteps<Client> = {
  /** The step's client, connected once for all that ask; again where connecting failed. */
  of(step: Step): Promise<Client>;
};

/** @param connect - gives a client that sends its requests by this `fetch`. */
export function clientsOfSteps<Client extends { close(): Promise<void> }>(
  connect: (fetch: Fetch) => Promise<Client>,
): ClientsOfSteps<Client> {
  const clients = new WeakMap<Step, Promise<Client>>();

  async function connected(step: Step): Promise<Client> {
    try {
      const client = await connect(step.fetch);
      const close = () => void client.close().catch(() => undefined);
      if (step.signal.aborted) close();
      else step.signal.addEventListener("abort", close, { once: true });
      return client;
    } catch (thrown) {
      clients.delete(step);
      throw thrown;
    }
  }

  return {
    of(step) {
      const kept = clients.get(step);
      if (kept !== undefined) return kept;
      const client = connected(step);
      clients.set(step, client);
      return client;
    },
  };
}
