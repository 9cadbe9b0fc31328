import type { KeyObject } from "node:crypto";
import { extname } from "node:path";
import { MessageChannel, type MessagePort } from "node:worker_threads";
import type { KeyFamily } from "../../domain/authority.ts";

/** What crosses to the thread that signs: a key that it has from now on, or one that it has no longer. */
export type KeyMessage =
  | { readonly kind: "put"; readonly authorityId: string; readonly family: KeyFamily; readonly key: KeyObject }
  | { readonly kind: "drop"; readonly authorityId: string };

/** Where the keys of credentials are kept instead of with the signer that makes and destroys them. */
export type KeysElsewhere = {
  put(authorityId: string, family: KeyFamily, key: KeyObject): void;
  drop(authorityId: string): void;
};

/** The thread's part is TypeScript in a checkout and JavaScript in the package, as this file is. */
const MODULE = new URL(`./commit-signer-worker${extname(import.meta.url)}`, import.meta.url);

/**
 * Ties a disk signer to the thread that signs for it. What is put or dropped is so before the thread looks for a key the
 * next time, whatever other messages are on their way to it.
 */
export function signElsewhere(): {
  readonly keys: KeysElsewhere;
  /** For the thread: its module, which exports `openCommitSigner`, and what to call that with. */
  readonly there: { readonly module: URL; readonly port: MessagePort };
  readonly close: () => void;
} {
  const { port1, port2 } = new MessageChannel();
  port1.unref();
  const post = (message: KeyMessage): void => port1.postMessage(message);
  return {
    keys: {
      put: (authorityId, family, key) => post({ kind: "put", authorityId, family, key }),
      drop: (authorityId) => post({ kind: "drop", authorityId }),
    },
    there: { module: MODULE, port: port2 },
    close: () => port1.close(),
  };
}
