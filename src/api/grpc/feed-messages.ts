import type { KeptDenial } from "../../close/denials-in-force.ts";
import type { FeedBatch } from "../../close/notify.ts";
import { type Beginning, sealCursor, type WatchScope } from "../../close/watch.ts";
import type { CursorSeal } from "../../ports/cursor-seal.ts";
import type { Ledger } from "../../ports/ledger.ts";
import type { DenyEntry } from "../../ports/ledger-reads.ts";
import type { EncodedMessage } from "../../wire/encoded-message.ts";
import { denialMessageOf, type IssuerNames } from "./denial-message.ts";
import { type DenialField, denialField, deniedMessage } from "./feed-encoding.ts";
import { createSnapshotPages } from "./snapshot-pages.ts";

/** Large enough for a busy close, small enough that a message is sent within a millisecond. */
const DENIALS_PER_MESSAGE = 1_000;

export type FeedMessagesPorts = {
  readonly names: IssuerNames;
  readonly ledger: Pick<Ledger, "head">;
  readonly seal: CursorSeal;
};

/** A message, and how many denials it holds. */
export type DeniedMessage = readonly [message: EncodedMessage, denials: number];

/** The feed's messages of denials, each made once for all who watch the same part of the feed. */
export type FeedMessages = {
  /** A denial in the form in which it is kept, and told. */
  readonly formOf: (entry: DenyEntry) => DenialField;
  /** A message that was not made before for others is made as it is taken. */
  beginning(beginning: Beginning<DenialField>, scope: WatchScope): Iterable<EncodedMessage>;
  denied(batch: FeedBatch, scope: WatchScope): readonly DeniedMessage[];
};

export function createFeedMessages({ names, ledger, seal }: FeedMessagesPorts): FeedMessages {
  const epoch = () => ledger.head().epoch;
  const cursorAt = (sequence: number) => sealCursor(seal, { epoch: epoch(), sequence });
  const pages = createSnapshotPages({ epoch, cursorAt }, DENIALS_PER_MESSAGE);
  const forms = new WeakMap<DenyEntry, DenialField>();
  const told = new WeakMap<FeedBatch, Map<string, readonly DeniedMessage[]>>();

  function formOf(entry: DenyEntry): DenialField {
    const form = forms.get(entry) ?? denialField(denialMessageOf(entry, names));
    forms.set(entry, form);
    return form;
  }

  function* deniedOf(fields: Iterable<DenialField>, through: number): Generator<DeniedMessage> {
    let part: DenialField[] = [];
    for (const field of fields) {
      if (part.length === DENIALS_PER_MESSAGE) {
        yield [deniedMessage(part), part.length];
        part = [];
      }
      part.push(field);
    }
    if (part.length > 0) yield [deniedMessage(part, cursorAt(through)), part.length];
  }

  function* resumed({ denials, through }: Beginning<DenialField>, scope: WatchScope): Generator<EncodedMessage> {
    for (const [message] of deniedOf(concernedOf(denials, scope), through)) yield message;
  }

  return {
    formOf,
    beginning: (beginning, scope) =>
      beginning.kind === "snapshot" ? pages.of(beginning, scope) : resumed(beginning, scope),
    denied(batch, scope) {
      const made = told.get(batch) ?? new Map<string, readonly DeniedMessage[]>();
      told.set(batch, made);
      const known = made.get(scope.part);
      if (known !== undefined) return known;
      const messages = [...deniedOf(batch.entries.filter(scope.concerns).map(formOf), batch.through)];
      made.set(scope.part, messages);
      return messages;
    },
  };
}

function* concernedOf(denials: readonly KeptDenial<DenialField>[], scope: WatchScope): Generator<DenialField> {
  for (const denial of denials) if (scope.concerns(denial)) yield denial.form;
}
