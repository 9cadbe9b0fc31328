import type { Writable } from "node:stream";

const CELLS = 30;
const CLEAR_LINE = "\r\u001b[2K";

export type ProgressBar = {
  /** @param share - 0 to 1; absent where nobody can tell. */
  show(share: number | undefined, text: string): void;
  /** Takes the bar away. */
  clear(): void;
};

/** A bar on the last line of a terminal; anywhere else nothing, since it would fill a log. */
export function createProgressBar(err: Writable & { readonly isTTY?: boolean }): ProgressBar {
  let isShown = false;
  return {
    show(share, text) {
      if (err.isTTY !== true) return;
      isShown = true;
      const filled = Math.round(CELLS * (share ?? 0));
      const bar = share === undefined ? "" : `[${"#".repeat(filled).padEnd(CELLS, ".")}] `;
      err.write(`${CLEAR_LINE}${bar}${text}`);
    },
    clear() {
      if (isShown) err.write(CLEAR_LINE);
      isShown = false;
    },
  };
}
