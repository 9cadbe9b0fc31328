import { createStint, type Grant, isStintError } from "stint-sdk/runtime";

/** What somebody tried at the broker, and how that ended. */
export type Attempt = {
  /** `OPENED` where it was not refused. */
  readonly reason: string;
  readonly message: string;
  readonly decisionId: string;
};

/** @throws what is no answer of the broker's */
export async function attempt(act: () => Promise<unknown>): Promise<Attempt> {
  try {
    await act();
    return { reason: "OPENED", message: "", decisionId: "" };
  } catch (thrown) {
    if (!isStintError(thrown)) throw thrown;
    const { reason, message, metadata } = thrown;
    return { reason, message, decisionId: metadata["decision_id"] ?? "" };
  }
}

/** Opens a step as if this process were the runtime of the agent, and gets a token for each location. */
export async function attemptToOpen(wanted: {
  readonly endpoint: string;
  readonly agent: string;
  readonly run: string;
  readonly step: string;
  readonly grant: Grant;
}): Promise<Attempt> {
  const { endpoint, agent, run, step, grant } = wanted;
  using stint = createStint({ endpoint, agent });
  return await attempt(async () => {
    const opened = await stint.openStep({ runId: run, step, grant });
    for (const { locations } of grant) for (const location of locations) await opened.jwtSvid(location);
  });
}
