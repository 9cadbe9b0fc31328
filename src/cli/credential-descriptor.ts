import { closeSync } from "node:fs";
import { locationsOf } from "../domain/grant.ts";
import { type RenewalFailure, type Stint, StintError } from "../sdk/runtime/index.ts";
import { CallError } from "../wire/call-error.ts";
import { EXIT, Failure, usageFailure } from "./failure.ts";
import { failureOf } from "./failure-of.ts";
import { openOneWayPipe } from "./one-way-pipe.ts";
import { grantOf, type OpenOptions } from "./open-flags.ts";
import { showControls } from "./output/show-controls.ts";
import type { Session } from "./session.ts";
import { connectAsExecutor } from "./svid/own-step.ts";

/** What a command is handed the credentials of its step by. */
export type CredentialDescriptor = {
  /** The command's end. */
  readonly readEnd: number;
  /** To be called once the command's process has its end: nobody else is to read. */
  given(): void;
  /**
   * Gets the first credentials, and sends them and those that follow.
   *
   * @param audiences - absent: the locations of the step's grant.
   * @throws Failure for what the broker refuses
   */
  send(stepId: string, audiences: readonly string[] | undefined): Promise<void>;
  /** The command reads the end of it. */
  close(): void;
};

/** @throws Failure where no pipe can be made */
export function openCredentialDescriptor(session: Session): CredentialDescriptor {
  const { readEnd, writeEnd } = openOneWayPipe();
  let stint: Stint | undefined;
  let isSent = false;
  const onRenewalFailed = (failure: RenewalFailure) => session.note(renewalSentence(failure));
  return {
    readEnd,
    given: () => closeSync(readEnd),
    async send(stepId, audiences) {
      stint = connectAsExecutor(session);
      try {
        // The step is held already, by whoever runs the command.
        const step = await stint.resumeStep({ stepId, hold: false });
        (await step.credentialPipe({ audiences, onRenewalFailed })).writeTo(writeEnd);
        isSent = true;
      } catch (thrown) {
        throw thrown instanceof StintError ? refusalOf(thrown) : thrown;
      }
    },
    close() {
      // What is under way ends with its client, and is read to its end.
      stint?.close();
      if (!isSent) writeEnd.destroy();
    },
  };
}

/**
 * What is asked for when the step is opened. Audiences beyond the grant have to be; those of the grant come with it.
 *
 * @throws Failure where there would be no credential to send
 */
export function withSentAudiences<Options extends OpenOptions>(options: Options): Options {
  const locations = options.grant === undefined ? [] : locationsOf(grantOf(options.grant));
  const { audience = locations } = options;
  if (audience.length === 0) {
    throw usageFailure("--credential-fd: nothing to send: a --grant or an --audience says for whom credentials are");
  }
  return { ...options, audience: audience.filter((one) => !locations.includes(one)) };
}

/** Said where an entry may be for the command's program. */
const EXECUTED_HERE =
  "with --credential-fd stint itself is the executor, so that the agent's entry has to match its process, not the command's";

/** What is said where the step can't be opened. */
export function openingRefusal(thrown: unknown): unknown {
  if (!(thrown instanceof CallError) || thrown.reason === undefined) return thrown;
  const { message, exitStatus } = failureOf(thrown, undefined);
  return new Failure(explained(thrown.reason, message), exitStatus);
}

function refusalOf({ reason, message }: StintError): Failure {
  if (reason === "UNREACHABLE") return new Failure(`can't reach the broker: ${message}`, EXIT.unreachable);
  const text = `${reason}: ${showControls(message)}`;
  return new Failure(explained(reason, `${text}; the command has not run`), EXIT.refused);
}

function explained(reason: string, text: string): string {
  if (reason === "AUDIENCE_INVALID") return `--audience: ${text}`;
  return reason === "NOT_ENTITLED" && text.includes("agent's entry") ? `${text}: ${EXECUTED_HERE}` : text;
}

function renewalSentence({ audience, error, isFinal, expiresAt }: RenewalFailure): string {
  const last = `the last one expires at ${expiresAt.toISOString()}`;
  const then = isFinal ? "there will be none" : "the broker is asked again until there is one";
  return showControls(`no new token for ${audience}: ${error.reason}: ${error.message}; ${last}, and ${then}`);
}
