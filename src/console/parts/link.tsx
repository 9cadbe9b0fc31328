import type { ComponentChildren } from "preact";
import { go, isPlainClick } from "../route.ts";

/** Leads to a page of the console. */
export function Link({
  to,
  children,
  current = false,
}: {
  readonly to: string;
  readonly children: ComponentChildren;
  readonly current?: boolean;
}) {
  return (
    <a
      href={to}
      aria-current={current ? "page" : undefined}
      onClick={(event) => {
        if (!isPlainClick(event)) return;
        event.preventDefault();
        go(to);
      }}
    >
      {children}
    </a>
  );
}
