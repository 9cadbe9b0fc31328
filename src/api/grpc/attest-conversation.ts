import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ServerDuplexStream } from "@grpc/grpc-js";
import { BrokerError, invalidField } from "../../domain/errors.ts";
import type { AttestRequest, AttestResponseSchema } from "../../gen/stint/v1/attestation_pb.js";
import type { Clock } from "../../ports/clock.ts";
import type { Challenger } from "../../ports/evidence-attestor.ts";
import { type Received, receivedMessage } from "../../wire/service-definition.ts";

export type AttestCall = ServerDuplexStream<Received<AttestRequest>, MessageInitShape<typeof AttestResponseSchema>>;

/** One attestation: the client's messages one by one, within the time that an attestation may take. */
export type AttestConversation = Challenger & {
  /** @throws BrokerError INVALID_FIELD when the client ends instead */
  next(): Promise<AttestRequest["message"]>;
  /**
   * The result of the work. @throws BrokerError LIMIT_EXCEEDED when it takes too long, INVALID_FIELD when the client
   * goes
   */
  inTime<Result>(work: Promise<Result>): Promise<Result>;
  /** @throws the errors of `inTime`, when time is over or the client is gone */
  checkTime(): void;
  end(): void;
};

/** A round trip, a look at the issuer's keys and two writes to a disk; a client that takes longer holds a place. */
const ATTESTATION_MS_MAX = 10_000;

export function converse(call: AttestCall, clock: Clock): AttestConversation {
  const over = new AbortController();
  const failed = new Promise<never>((_, reject) => {
    over.signal.addEventListener("abort", () => reject(over.signal.reason), { once: true });
  });
  // Whoever waits for `failed` is told; with nobody waiting, its rejection must not count as unhandled.
  failed.catch(() => undefined);
  const cancelTimer = clock.schedule(ATTESTATION_MS_MAX, () =>
    over.abort(new BrokerError("LIMIT_EXCEEDED", `an attestation takes at most ${ATTESTATION_MS_MAX / 1_000} s`)),
  );
  call.on("cancelled", () => over.abort(leftEarly()));
  let isChallenged = false;

  /** Takes one message and no further: messages that a client sends ahead wait at the client's end. */
  function received(): Promise<Received<AttestRequest>> {
    return new Promise((resolve, reject) => {
      call.once("data", (message: Received<AttestRequest>) => {
        call.pause();
        resolve(message);
      });
      call.once("end", () => reject(leftEarly()));
      call.resume();
    });
  }

  async function next(): Promise<AttestRequest["message"]> {
    return receivedMessage(await received()).message;
  }

  return {
    next,
    async challenge(challenge) {
      if (isChallenged) throw new TypeError("a second challenge");
      isChallenged = true;
      call.write({ message: { case: "challenge", value: challenge } });
      const answer = await next();
      if (answer.case !== "answer") throw invalidField("message", "the answer to the challenge");
      return answer.value;
    },
    inTime: (work) => Promise.race([work, failed]),
    checkTime: () => over.signal.throwIfAborted(),
    end: cancelTimer,
  };
}

function leftEarly(): BrokerError {
  return invalidField("message", "a claim, and the answer to a challenge, before the end");
}
