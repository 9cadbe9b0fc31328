import { addSeconds, type UnixSeconds } from "../domain/time.ts";
import type { Log } from "../ports/log.ts";
import { faultOf, isoOf, type Life } from "./certificate-life.ts";
import type { FileCertificate } from "./renewed-files.ts";

/** A certificate that is not valid, or soon will not be. It keeps nothing from being issued by itself. */
export type Ending = {
  readonly setting: string;
  readonly kind: "soon" | "not-now";
  /** In words for the operator. */
  readonly why: string;
};

/** ACME clients renew with a third of the life left; with a tenth left something has gone wrong. */
const AHEAD_SHARE = 0.1;
/** Of a CA that lives for years a tenth would be months of warnings. */
const AHEAD_SECONDS_MAX = 30 * 86_400;
const REPEAT_MS = 24 * 3_600_000;

const SAYS = { soon: "a certificate ends soon", "not-now": "a certificate is not valid now" } as const;

/** Which of the certificates in use want to be renewed. */
export function endingsOf(certificates: readonly FileCertificate[], now: UnixSeconds): readonly Ending[] {
  return certificates.flatMap(({ setting, ...life }): readonly Ending[] => {
    const fault = faultOf(life, now);
    if (fault !== undefined) {
      return [{ setting, kind: "not-now", why: `${setting}: the certificate is not valid now: ${fault}` }];
    }
    if (now < warnedFrom(life)) return [];
    return [{ setting, kind: "soon", why: `${setting}: the certificate ends at ${isoOf(life.expiresAt)}` }];
  });
}

function warnedFrom({ notBefore, expiresAt }: Life): UnixSeconds {
  return addSeconds(expiresAt, -Math.min(AHEAD_SHARE * (expiresAt - notBefore), AHEAD_SECONDS_MAX));
}

/**
 * Tells the log of each ending when it comes up, and once a day for as long as it lasts.
 *
 * @returns to be called at intervals, with what holds then.
 */
export function endingLines(
  log: Pick<Log, "warning">,
  { monotonicMs }: { readonly monotonicMs: () => number },
): (endings: readonly Ending[]) => void {
  let toldAt: ReadonlyMap<string, number> = new Map();
  return (endings) => {
    const told = new Map<string, number>();
    for (const { setting, kind, why } of endings) {
      const before = toldAt.get(`${setting} ${kind}`);
      const isDue = before === undefined || monotonicMs() - before >= REPEAT_MS;
      if (isDue) log.warning(SAYS[kind], { why });
      told.set(`${setting} ${kind}`, isDue ? monotonicMs() : before);
    }
    toldAt = told;
  };
}
