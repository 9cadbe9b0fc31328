import type { TLSSocket } from "node:tls";
import { type Context, Hono } from "hono";
import { checkMayLook } from "../../decide/step-access.ts";
import type { Denial, ErrorCode } from "../../domain/errors.ts";
import type { Attested } from "../../domain/stages.ts";
import { hasTile, parseTilePath } from "../../domain/tile.ts";
import type { SignedCheckpoint } from "../../ports/checkpoint-store.ts";
import type { TreeReads } from "../../ports/tree-reads.ts";
import { NO_STORE } from "./document.ts";
import { answerProved, type WithConnection } from "./proved-caller.ts";

export type LedgerRouteFacts = {
  /** The caller at the other end of a connection, by its X.509-SVID as it is now. */
  callerOf(socket: TLSSocket): Promise<Attested | Denial>;
  readonly tree: Pick<TreeReads, "tile">;
  readonly checkpoints: { current(): SignedCheckpoint | undefined };
};

const NEEDS_TLS = "the ledger is read over TLS 1.3 with an operator's client certificate";
const STATUS_OF: { readonly [Code in ErrorCode]?: 403 | 410 } = { NOT_ENTITLED: 403, PRUNED: 410 };

/** A tile never changes; but what entries say is for operators, and not for a cache that others ask too. */
const KEPT_BY_CLIENT = { "cache-control": "private, max-age=31536000, immutable" };

/**
 * The ledger as a tiled transparency log: the signed checkpoint, the tree in tiles, and the entries. For operators, known
 * by the X.509-SVID of their connection, which is looked at anew with every request: entries say who did what.
 *
 * @see C2SP tlog-tiles
 */
export function ledgerRoutes(facts: LedgerRouteFacts): Hono {
  const routes = new Hono<WithConnection>();
  routes.get("/checkpoint", (context) =>
    toOperator(context, facts, async ({ note }) =>
      context.body(note, 200, { ...NO_STORE, "content-type": "text/plain; charset=utf-8" }),
    ),
  );
  routes.get("/tile/*", (context) =>
    toOperator(context, facts, async ({ size }) => {
      const tile = parseTilePath(context.req.path.slice("/tile/".length));
      // A partial tile of an earlier size is what the tree still begins with.
      if (tile === undefined || !hasTile(size, tile)) return context.text("no such tile\n", 404, NO_STORE);
      const bytes = await facts.tree.tile(tile);
      return context.body(Uint8Array.from(bytes), 200, {
        ...KEPT_BY_CLIENT,
        "content-type": "application/octet-stream",
      });
    }),
  );
  return routes as unknown as Hono;
}

function toOperator(
  context: Context<WithConnection>,
  { callerOf, checkpoints }: LedgerRouteFacts,
  answer: (checkpoint: SignedCheckpoint) => Promise<Response>,
): Promise<Response> {
  const refused = (status: 401 | 403 | 404 | 410 | 503, text: string) => context.text(`${text}\n`, status, NO_STORE);
  return answerProved(
    context,
    {
      needsTls: () => refused(404, NEEDS_TLS),
      callerOf,
      refused,
      failed: ({ code, message }) => refused(STATUS_OF[code] ?? 503, message),
    },
    async (caller) => {
      checkMayLook(caller);
      const checkpoint = checkpoints.current();
      return checkpoint === undefined ? refused(503, "no checkpoint is signed at present") : answer(checkpoint);
    },
  );
}
