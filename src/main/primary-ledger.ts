import { BrokerError, ERROR_CODES, type ErrorCode } from "../domain/errors.ts";
import { Ledger, type LedgerPage } from "../gen/stint/v1/ledger_pb.js";
import type { CopyFacts, FollowedPage, FollowedPart, PrimaryLedger } from "../ports/standby.ts";
import type { KeptConnection } from "../sdk/runtime/kept-connection.ts";
import { stintErrorOf } from "../sdk/runtime/stint-error.ts";

/** A connection with the identity that it was made by. */
export type PrimaryConnection = Pick<KeptConnection, "clientOf"> & { close(): void };

/**
 * The ledger of the broker at the other end of connections. An identity that the broker does not know any more is given up for a new one: a
 * ledger that was put back knows nothing of what was issued since.
 */
export function primaryOver(connect: () => PrimaryConnection): PrimaryLedger & { close(): void } {
  let connection = connect();

  /** Whatever the call throws, as the error that the standby knows. */
  async function* inOurWords<Part>(parts: AsyncIterable<Part>): AsyncGenerator<Part, void, void> {
    const used = connection;
    try {
      yield* parts;
    } catch (thrown) {
      if (thrown instanceof BrokerError) throw thrown;
      const { reason, message } = stintErrorOf(thrown);
      if (reason === "NO_IDENTITY" && connection === used) {
        used.close();
        connection = connect();
      }
      const code = ERROR_CODES.find((known): known is ErrorCode => known === reason);
      throw new BrokerError(code ?? "NOT_SERVING", `the primary: ${reason}: ${message}`, { cause: thrown });
    }
  }

  return {
    close: () => connection.close(),
    copy(signal) {
      const ledger = connection.clientOf(Ledger);
      let copied: CopyFacts | undefined;
      async function* chunks(): AsyncGenerator<Uint8Array, void, void> {
        for await (const { message } of ledger.backup({}, { signal })) {
          if (message.case === "chunk") yield message.value;
          if (message.case !== "copied") continue;
          const { epoch, sequence, rootHash, sha256 } = message.value;
          const head = { epoch, sequence: Number(sequence), rootHash };
          copied = { head, sha256: Buffer.from(sha256).toString("hex") };
        }
      }
      return {
        chunks: inOurWords(chunks()),
        facts() {
          if (copied === undefined)
            throw new BrokerError("NOT_SERVING", "the primary ended the copy before it was whole");
          return copied;
        },
      };
    },
    follow(after, checkpoint, signal) {
      const ledger = connection.clientOf(Ledger);
      async function* parts(): AsyncGenerator<FollowedPart, void, void> {
        for await (const { message } of ledger.follow({ afterSequence: BigInt(after), checkpoint }, { signal })) {
          if (message.case === "page") yield { kind: "page", page: pageOf(message.value) };
          if (message.case !== "chunk") continue;
          const { throughSequence, index, content } = message.value;
          yield { kind: "chunk", chunk: { through: Number(throughSequence), index, content } };
        }
      }
      return inOurWords(parts());
    },
  };
}

function pageOf({ events, epoch, sequence, rootHash, newestSequence, schema, checkpoint }: LedgerPage): FollowedPage {
  const head = { epoch, sequence: Number(sequence), rootHash };
  return { events, head, newest: Number(newestSequence), schema, ...(checkpoint === "" ? {} : { checkpoint }) };
}
