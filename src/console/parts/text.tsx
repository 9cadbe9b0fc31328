import { showControls } from "../../cli/output/show-controls.ts";

/** Text that came from elsewhere: its direction is its own, and what is not to be seen is shown. */
export function Text({ text }: { readonly text: string }) {
  return <bdi>{showControls(text)}</bdi>;
}
