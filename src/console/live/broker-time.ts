/** How far the broker's clock is from this machine's, milliseconds: whoever looks at a ledger goes by the ledger's time. */
let offset = 0;

/** Takes the broker's time from an answer, which is as old as the answer took. RFC 9110 section 6.6.1 */
export function learnTime({ headers }: Response): void {
  const told = Date.parse(headers.get("date") ?? "");
  if (!Number.isNaN(told)) offset = told - Date.now();
}

/** Milliseconds since 1970, as the broker's clock has it, to a second or two. */
export function brokerNow(): number {
  return Date.now() + offset;
}
