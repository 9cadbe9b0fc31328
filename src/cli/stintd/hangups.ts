let isPending = false;
let heed = (): void => {
  isPending = true;
};

/** From here on SIGHUP no longer ends the process. One that comes before `onHangup` is kept. */
export function heedHangups(): void {
  process.on("SIGHUP", () => heed());
}

/** Calls with each SIGHUP; once at the beginning where any came before. */
export function onHangup(call: () => void): void {
  heed = call;
  if (isPending) call();
  isPending = false;
}
