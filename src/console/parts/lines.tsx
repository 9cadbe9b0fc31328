import { showControls } from "../../cli/output/show-controls.ts";

/** Text of several lines as it was written. What is wider than the page scrolls, also by keyboard. */
export function Lines({ text, name }: { readonly text: string; readonly name: string }) {
  return (
    <section class="lines" aria-label={name} tabIndex={0}>
      <pre>{text.split("\n").map(showControls).join("\n")}</pre>
    </section>
  );
}
