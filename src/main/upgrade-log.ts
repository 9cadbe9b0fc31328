import type { UpgradeProgress } from "../adapters/ledger-sqlite/migrate.ts";
import type { Log } from "../ports/log.ts";

/** Logs how an upgrade of the ledger goes on: at its beginning, after every tenth, and what it came to. */
export function upgradeLog(log: Log): (progress: UpgradeProgress) => void {
  let told = -1;
  return (progress) => {
    if ("applied" in progress) {
      log.info("the ledger was upgraded: an older version does not start on it any more", {
        applied: progress.applied.join(", "),
      });
      return;
    }
    const { done, total, diskBytes } = progress;
    const tenths = Math.floor((10 * done) / total);
    if (tenths === told) return;
    told = tenths;
    log.info("upgrading the ledger", { percent: 10 * tenths, events: total, diskMib: Math.ceil(diskBytes / 2 ** 20) });
  };
}
