import { createPrivateKey, X509Certificate } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { SpiffeWorkloadAPI, type X509SVID } from "../../gen/spiffe/workload/workload_pb.js";
import { openChannel, type TlsIdentity } from "../../wire/channel.ts";
import { createClient } from "../../wire/client.ts";
import { backoff } from "./backoff.ts";
import { StintError, stintErrorOf } from "./stint-error.ts";

/** The X.509-SVID of this runtime as the workload endpoint gives it, always the newest. */
export type RuntimeSvid = {
  /** @throws StintError when there is none, and none to be had within the time for a call */
  current(): Promise<TlsIdentity>;
  /** Calls with every further one. */
  onChange(changed: (identity: TlsIdentity) => void): void;
  close(): void;
};

const HINT = /^runtime\//;
/** Where every broker is, in its own trust domain. Contracts section 1. */
const SERVER_PATH = "/stint/server";
const FIRST_MS_MAX = 10_000;

/** Subscribes on the first use, and again whenever the stream ends. */
export function followRuntimeSvid(endpoint: string): RuntimeSvid {
  const channel = openChannel(endpoint);
  const workload = createClient(SpiffeWorkloadAPI, channel);
  const closed = new AbortController();
  const listeners = new Set<(identity: TlsIdentity) => void>();
  let newest: TlsIdentity | undefined;
  let lastError: StintError | undefined;
  let isFollowing = false;
  let waiting: (() => void)[] = [];

  async function follow(): Promise<void> {
    const pauses = backoff();
    while (!closed.signal.aborted) {
      try {
        for await (const { svids } of workload.fetchX509SVID({}, { signal: closed.signal })) {
          pauses.reset();
          take(svids);
        }
      } catch (thrown) {
        if (closed.signal.aborted) return;
        lastError = stintErrorOf(thrown);
        // Who is nobody is told so at once, and asks again by its next call.
        if (!lastError.retryable) settle();
      }
      await sleep(pauses.next(), undefined, { signal: closed.signal, ref: false }).catch(() => undefined);
    }
  }

  function take(svids: readonly X509SVID[]): void {
    const own = svids.find(({ hint }) => HINT.test(hint));
    if (own === undefined) {
      lastError = new StintError(
        "NO_IDENTITY",
        "this process is no runtime: the workload endpoint gives it no such SVID",
      );
    } else {
      lastError = undefined;
      newest = identityOf(own);
      for (const changed of listeners) changed(newest);
    }
    settle();
  }

  function settle(): void {
    for (const resolve of waiting.splice(0)) resolve();
  }

  return {
    async current() {
      if (!isFollowing) {
        isFollowing = true;
        void follow();
      }
      if (newest === undefined) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, FIRST_MS_MAX).unref();
          waiting.push(() => {
            clearTimeout(timer);
            resolve();
          });
        });
      }
      if (newest !== undefined) return newest;
      throw lastError ?? new StintError("UNREACHABLE", "the workload endpoint gave no SVID in time");
    },
    onChange: (changed) => void listeners.add(changed),
    close() {
      closed.abort();
      channel.close();
      waiting = [];
    },
  };
}

function identityOf(svid: X509SVID): TlsIdentity {
  const key = createPrivateKey({ key: Buffer.from(svid.x509SvidKey), format: "der", type: "pkcs8" });
  const [scheme = "", , trustDomain = ""] = svid.spiffeId.split("/");
  return {
    certificateChain: pemsOf(svid.x509Svid),
    privateKey: key.export({ format: "pem", type: "pkcs8" }).toString(),
    authorities: pemsOf(svid.bundle),
    serverId: `${scheme}//${trustDomain}${SERVER_PATH}`,
  };
}

/** Certificates that stand one after another, DER. */
function pemsOf(ders: Uint8Array): string {
  let rest = Buffer.from(ders);
  let pems = "";
  while (rest.length > 0) {
    const one = new X509Certificate(rest);
    pems += one.toString();
    rest = rest.subarray(one.raw.length);
  }
  return pems;
}
