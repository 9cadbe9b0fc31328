import { createPrivateKey, X509Certificate } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { SpiffeWorkloadAPI, type X509SVID } from "../../gen/spiffe/workload/workload_pb.js";
import { openChannel, type TlsIdentity } from "../../wire/channel.ts";
import { createClient } from "../../wire/client.ts";
import { backoff } from "./backoff.ts";
import { keepNewestSvid, type RuntimeSvid } from "./newest-svid.ts";
import { StintError, stintErrorOf } from "./stint-error.ts";
import { tlsIdentityOf } from "./tls-identity.ts";

const HINT = /^runtime\//;

/** The X.509-SVID that the workload endpoint gives. Subscribes on the first use, and again whenever the stream ends. */
export function followRuntimeSvid(endpoint: string): RuntimeSvid {
  const channel = openChannel(endpoint);
  const workload = createClient(SpiffeWorkloadAPI, channel);
  const closed = new AbortController();
  let isFollowing = false;
  const newest = keepNewestSvid("the workload endpoint", () => {
    if (isFollowing) return;
    isFollowing = true;
    void follow();
  });

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
        // Who is nobody is told so at once, and asks again by its next call.
        newest.lack(stintErrorOf(thrown));
      }
      await sleep(pauses.next(), undefined, { signal: closed.signal, ref: false }).catch(() => undefined);
    }
  }

  function take(svids: readonly X509SVID[]): void {
    const own = svids.find(({ hint }) => HINT.test(hint));
    if (own === undefined) newest.lack(noRuntime());
    else newest.take(identityOf(own));
  }

  return {
    current: newest.current,
    onChange: newest.onChange,
    close() {
      closed.abort();
      channel.close();
    },
  };
}

function noRuntime(): StintError {
  return new StintError("NO_IDENTITY", "this process is no runtime: the workload endpoint gives it no such SVID");
}

function identityOf(svid: X509SVID): TlsIdentity {
  return tlsIdentityOf({
    spiffeId: svid.spiffeId,
    certificates: dersIn(svid.x509Svid),
    bundle: dersIn(svid.bundle),
    privateKey: createPrivateKey({ key: Buffer.from(svid.x509SvidKey), format: "der", type: "pkcs8" }),
  });
}

/** Certificates that stand one after another. */
function dersIn(ders: Uint8Array): readonly Uint8Array[] {
  let rest = Buffer.from(ders);
  const found: Uint8Array[] = [];
  while (rest.length > 0) {
    const { raw } = new X509Certificate(rest);
    found.push(raw);
    rest = rest.subarray(raw.length);
  }
  return found;
}
