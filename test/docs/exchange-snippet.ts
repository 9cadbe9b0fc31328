import { createStint } from "stint-sdk/runtime";

export async function countBooks(query: (url: string, signal: AbortSignal) => Promise<number>): Promise<number> {
  using stint = createStint({ agent: "researcher" });
  const audiences = ["https://db.example.org"];
  // #region exchange
  const counted = await stint.withStep({ runId: "report-7", step: "load", audiences }, async (step) => {
    const books = await step.exchange("books");
    // Printing it shows no secret; when this function returns, the role is dropped and its sessions are ended.
    return query(books.secret()["url"] ?? "", step.signal);
  });
  // #endregion
  return counted;
}
