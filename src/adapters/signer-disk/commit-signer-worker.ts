import { type KeyObject, sign } from "node:crypto";
import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import type { KeyFamily } from "../../domain/authority.ts";
import { checkSignable, unsigned } from "../../domain/signable.ts";
import type { CommitSigner } from "../../ports/commit-signer.ts";
import type { KeyMessage } from "./keys-elsewhere.ts";

/**
 * The part of a disk signer in the thread that commits.
 *
 * @param port - brings the keys.
 */
export function openCommitSigner(port: MessagePort): CommitSigner {
  const keys = new Map<string, { readonly family: KeyFamily; readonly key: KeyObject }>();

  function take(message: KeyMessage): void {
    if (message.kind === "put") keys.set(message.authorityId, { family: message.family, key: message.key });
    else keys.delete(message.authorityId);
  }

  /** What was sent before a draft was is here before the draft is signed, in whichever order the thread's loop would take them. */
  function takeAll(): void {
    for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port)) {
      take(next.message as KeyMessage);
    }
  }

  // A key that was destroyed leaves though nothing is signed any more.
  port.on("message", take);
  port.unref();
  return {
    sign(recorded) {
      takeAll();
      const { authorityId } = recorded.record;
      const held = keys.get(authorityId);
      if (held === undefined) throw unsigned(`no key of authority ${authorityId}`);
      checkSignable(recorded, { authorityId, family: held.family });
      return sign("sha256", recorded.toBeSigned, held.key);
    },
  };
}
