import { execFileSync } from "node:child_process";

/** The command that it takes. */
export const PRLIMIT = "prlimit";

/**
 * Makes this process's writes beyond an offset of any file fail with EFBIG: an I/O error that is not a full disk, from the
 * kernel itself.
 */
function limitFileSize(bytes: number | "unlimited"): void {
  execFileSync(PRLIMIT, ["--pid", String(process.pid), `--fsize=${bytes}:`]);
}

export async function whileWritesFail(work: () => Promise<void>): Promise<void> {
  // Without a handler the signal that comes with the error would end the process.
  const ignore = (): void => undefined;
  process.on("SIGXFSZ", ignore);
  limitFileSize(4_096);
  try {
    await work();
  } finally {
    limitFileSize("unlimited");
    process.off("SIGXFSZ", ignore);
  }
}
