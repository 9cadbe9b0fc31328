import type { KeptDenial } from "../../close/denials-in-force.ts";
import type { Beginning, WatchScope } from "../../close/watch.ts";
import type { EncodedMessage } from "../../wire/encoded-message.ts";
import { type DenialField, snapshotMessage } from "./feed-encoding.ts";

export type SnapshotPages = {
  /** The messages of a snapshot: those that it shares with the snapshots before it, and the last, with the cursor. */
  of(snapshot: Beginning<DenialField>, scope: WatchScope): readonly EncodedMessage[];
};

type Pages = {
  /** The array that the pages are of, and how many denials of it are in them. */
  readonly denials: readonly KeptDenial<DenialField>[];
  taken: number;
  readonly full: EncodedMessage[];
  open: DenialField[];
  /** Of the open page, with a cursor of this epoch. */
  last: { readonly message: EncodedMessage; readonly epoch: string } | undefined;
};

/**
 * Parts of the feed whose pages are kept, those that were asked for last: verifiers of one kind share a part, and so do
 * operators. A part that comes anew costs a copy of its denials.
 */
const PARTS_KEPT_MAX = 64;

/**
 * Keeps, for each part of the feed that somebody watches, the messages of its snapshot. They are made once for all who
 * watch the part, and grow with the deny-list: with each new denial the last message alone is made anew.
 *
 * @param cursors.epoch - the ledger's, as of now.
 * @param cursors.cursorAt - the sealed cursor of a sequence of this epoch.
 * @param denialsPerPage - in one message.
 */
export function createSnapshotPages(
  cursors: { readonly epoch: () => string; readonly cursorAt: (sequence: number) => Uint8Array },
  denialsPerPage: number,
): SnapshotPages {
  /** By part of the feed; the part that was asked for last is the last. */
  const kept = new Map<string, Pages>();

  function pagesOf({ denials }: Beginning<DenialField>, part: string): Pages {
    const known = kept.get(part);
    const pages = known?.denials === denials ? known : { denials, taken: 0, full: [], open: [], last: undefined };
    kept.delete(part);
    kept.set(part, pages);
    for (const oldest of kept.keys()) {
      if (kept.size <= PARTS_KEPT_MAX) break;
      kept.delete(oldest);
    }
    return pages;
  }

  return {
    of(snapshot, scope) {
      const pages = pagesOf(snapshot, scope.part);
      for (; pages.taken < pages.denials.length; pages.taken += 1) {
        const denial = pages.denials[pages.taken];
        if (denial === undefined || !scope.concerns(denial)) continue;
        if (pages.open.length === denialsPerPage) {
          pages.full.push(snapshotMessage(pages.open));
          pages.open = [];
        }
        pages.open.push(denial.form);
        pages.last = undefined;
      }
      const epoch = cursors.epoch();
      // Made at an earlier head it is as good: nothing that concerns this part was denied since.
      if (pages.last?.epoch !== epoch) {
        pages.last = { message: snapshotMessage(pages.open, cursors.cursorAt(snapshot.through)), epoch };
      }
      return [...pages.full, pages.last.message];
    },
  };
}
