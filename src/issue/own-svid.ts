import { isPublished } from "../domain/authority.ts";
import { BrokerError, errorOf, isDenial } from "../domain/errors.ts";
import type { Delivery } from "../domain/stages.ts";
import { microsOf } from "../domain/time.ts";
import { createListeners } from "../follow/listeners.ts";
import type { Cancel } from "../ports/clock.ts";
import type { EntryDirectory } from "../ports/directories.ts";
import type { KeyPair, KeyPairs } from "../ports/key-pairs.ts";
import { onlyAnswer } from "./entitle.ts";
import { entitleServer } from "./entitle-infrastructure.ts";
import { issueEntitled } from "./issue-entitled.ts";
import type { InfrastructurePorts } from "./issue-infrastructure-svid.ts";

export type OwnIdentity = { readonly delivery: Delivery; readonly key: KeyPair };

/** The broker's own X.509-SVID, by which its TLS endpoints are known; renewed at half of its life. */
export type OwnSvid = {
  /** `undefined` while there is no SVID, because none could be issued since the last SVID ended. */
  current(): OwnIdentity | undefined;
  /** Calls after each change; ends with the returned function. */
  onChange(changed: () => void): Cancel;
  /** Issues the first SVID, or fails; later failures are reported and tried again. */
  start(): Promise<void>;
  stop(): void;
};

export type OwnSvidPorts = InfrastructurePorts & {
  readonly entries: EntryDirectory;
  readonly keyPairs: KeyPairs;
  readonly onBundleChange: (changed: () => void) => Cancel;
  readonly failed: (error: unknown) => void;
};

const RETRY_MS = 5_000;

export function createOwnSvid(ports: OwnSvidPorts): OwnSvid {
  const { clock } = ports;
  const { onChange, tell } = createListeners(ports.failed);
  let identity: OwnIdentity | undefined;
  let cancel: Cancel = () => undefined;
  let isStopped = false;

  async function issue(): Promise<void> {
    const entry = ports.entries.all().find(({ content }) => content.kind === "server");
    if (entry === undefined) throw new BrokerError("ENTRY_NOT_FOUND", "the broker has no entry of its own");
    const key = await ports.keyPairs.generate();
    const delivery = onlyAnswer(await issueEntitled([entitleServer(entry, key.publicKey, ports)], ports));
    if (isDenial(delivery)) throw errorOf(delivery);
    identity = { delivery, key };
    tell();
  }

  /** Renews at half of the SVID's life, so that the other half is left for retries; at once where it is good no more. */
  function renewLater(): void {
    if (isStopped) return;
    const expiresAt = identity === undefined || !isBelieved(identity) ? 0 : microsOf(identity.delivery.expiresAt);
    const left = Math.max(0, expiresAt - clock.now()) / 1_000;
    cancel();
    cancel = clock.schedule(Math.max(RETRY_MS, left / 2), renew);
  }

  function renew(): void {
    issue().catch(ports.failed).finally(renewLater);
  }

  /** Whether the SVID's authority is trusted: nobody believes the SVID once the authority is not. */
  function isBelieved({ delivery }: OwnIdentity): boolean {
    const { authorityId } = delivery.authority;
    const authority = ports.authorities.all().find((one) => one.authorityId === authorityId);
    return authority !== undefined && isPublished(authority);
  }

  function lookAtAuthority(): void {
    if (identity !== undefined && !isStopped && !isBelieved(identity)) renew();
  }

  let unfollow: Cancel = () => undefined;
  return {
    current() {
      if (identity !== undefined && clock.now() < microsOf(identity.delivery.expiresAt)) return identity;
      return undefined;
    },
    onChange,
    async start() {
      await issue();
      renewLater();
      unfollow = ports.onBundleChange(lookAtAuthority);
    },
    stop() {
      isStopped = true;
      unfollow();
      cancel();
    },
  };
}
