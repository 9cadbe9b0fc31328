import type { AttestationOptions } from "./attestation-options.ts";
import { askBroker, connectBroker } from "./broker.ts";
import { currentStep } from "./current-step.ts";
import { checkProof, openStep, resumeStep, type StepTerms, workInStep } from "./open-step.ts";
import type { OutcomeOf } from "./outcome.ts";
import type { OpenStepOptions, ResumeStepOptions, Step, StepProof, WithStepOptions } from "./step.ts";
import type { Fetch } from "./step-fetch.ts";
import { isStintError, StintError } from "./stint-error.ts";

export type StintOptions = {
  /** `unix:///run/stint/workload.sock`. Absent: `SPIFFE_ENDPOINT_SOCKET`. */
  readonly endpoint?: string | undefined;
  /**
   * `tcp://host:port` or `unix:///path` of the broker endpoint, to be reached by this runtime's own X.509-SVID, which
   * `attestation` or `endpoint` gives. Absent: `SPIFFE_BROKER_SOCKET`; without that `endpoint` alone is used.
   */
  readonly brokerEndpoint?: string | undefined;
  /** How this runtime gets its X.509-SVID where no workload endpoint is: by evidence. `endpoint` is not used then. */
  readonly attestation?: AttestationOptions | undefined;
  /** The agent of steps that name none. */
  readonly agent?: string | undefined;
  /** The workflow of steps that name none. */
  readonly workflow?: string | undefined;
  /** For errors that are no failures, and results that are no completion, such as a framework's interrupt. */
  readonly outcomeOf?: OutcomeOf | undefined;
  /**
   * What requests go through, e.g. for a proxy or a private CA. It must honor `redirect: "manual"`. Absent: one that waits for an answer as
   * long as the step is open, where the global `fetch` gives up after five minutes of silence.
   */
  readonly fetch?: Fetch | undefined;
  /** How steps that do not say prove who they are in their `fetch`. Absent: by their token alone. */
  readonly proof?: StepProof | undefined;
  /** How long a lost hold may take to be found again. Absent: 5,000, which is as long as the broker waits. */
  readonly holdGraceMs?: number | undefined;
  /**
   * The trace that calls of the broker are a part of, as W3C Trace Context writes it: `00-<32 digits>-<16 digits>-01`. Asked before each
   * call, e.g. `() => traceparentOf(trace.getActiveSpan())`; `undefined` for none. Absent: none.
   */
  readonly traceparent?: (() => string | undefined) | undefined;
};

/** A runtime's side of the broker. Connects on the first call. */
export type Stint = {
  /**
   * Opens a step, runs `work` with it as the current one, and closes it with the outcome.
   *
   * @throws what `work` threw; StintError otherwise, see `openStep` and `withStep`
   */
  withStep<Result>(options: WithStepOptions, work: (step: Step) => Promise<Result> | Result): Promise<Result>;
  /** Opens a step that its caller closes: with `await using`, or by `close`. */
  openStep(options: OpenStepOptions): Promise<Step>;
  resumeStep(options: ResumeStepOptions): Promise<Step>;
  /**
   * Lets one process that this one started open steps as a runtime of its own, which the broker otherwise refuses to what
   * a runtime starts. On record, for as long as that process lives; what it starts in turn is not let.
   *
   * @throws StintError NOT_ENTITLED for a process that this one did not start, or whose parent has ended; INVALID_FIELD for
   * a pid that names no process, or where the broker does not share this process's pids: over a network, or from a
   * container
   */
  enroll(pid: number): Promise<void>;
  /** `fetch` as the current step. @throws StintError NO_CURRENT_STEP outside of every step */
  readonly fetch: Fetch;
  /** Lets go of all steps without closing them, and disconnects; the broker abandons those that were held. */
  close(): void;
  [Symbol.dispose](): void;
};

/**
 * A client for an agent runtime.
 *
 * @throws StintError NO_ENDPOINT, INVALID_FIELD
 * @example
 * using stint = createStint({ agent: "researcher" });
 * const found = await stint.withStep({ runId: "r-1", step: "search", grant }, async (step) => {
 *   const client = new StreamableHTTPClientTransport(url, { fetch: step.fetch });
 *   …
 * });
 */
export function createStint(options: StintOptions = {}): Stint {
  const { endpoint, brokerEndpoint, attestation, traceparent, ...defaults } = options;
  checkProof(defaults.proof);
  const broker = connectBroker(endpoint, brokerEndpoint, attestation, traceparent);
  const closed = new AbortController();
  const withClient = {
    signal: closed.signal,
    error: (stepId: string) => new StintError("HOLD_LOST", `the client of step ${stepId} was closed`),
  };
  const terms: StepTerms = { ...defaults, broker, endsWith: [withClient] };
  function close(): void {
    closed.abort();
    broker.close();
  }

  /** What fails because the channel was closed under it, as by `using` in a function that returns without `await`. */
  async function unlessClosed<Result>(answer: Promise<Result>): Promise<Result> {
    try {
      return await answer;
    } catch (thrown) {
      if (!closed.signal.aborted || !isStintError(thrown, "BROKER_FAILED")) throw thrown;
      const message = "the client was closed before the broker answered: await the work, then close the client";
      throw new StintError("HOLD_LOST", message, { cause: thrown });
    }
  }

  return {
    withStep: (step, work) => unlessClosed(workInStep(terms, step, work)),
    openStep: (step) => unlessClosed(openStep(terms, step)),
    resumeStep: (step) => unlessClosed(resumeStep(terms, step)),
    async enroll(pid) {
      await unlessClosed(askBroker((call) => broker.steps.enroll({ pid }, call)));
    },
    async fetch(input, init) {
      const step = currentStep();
      if (step === undefined) throw new StintError("NO_CURRENT_STEP", "stint.fetch works inside of withStep");
      return step.fetch(input, init);
    },
    close,
    [Symbol.dispose]: close,
  };
}
