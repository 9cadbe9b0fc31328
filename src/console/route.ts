import { useEffect, useState } from "preact/hooks";

const BASE = "/console/";

/** Where somebody is: the path below /console/, without a slash at either end, and the query. */
export type Place = { readonly path: readonly string[]; readonly query: URLSearchParams };

function here(): Place {
  const { pathname, search } = location;
  const path = pathname.startsWith(BASE) ? pathname.slice(BASE.length) : "";
  return {
    path: path
      .split("/")
      .filter((part) => part !== "")
      .map(decoded),
    query: new URLSearchParams(search),
  };
}

/** A part that is no text stays as it is written. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

const CHANGED = "stint-place";

/** The address of a page. */
export function placeOf(path: readonly string[], query: Iterable<readonly [string, string]> = []): string {
  const search = new URLSearchParams([...query].map(([name, value]) => [name, value])).toString();
  return `${BASE}${path.map(encodeURIComponent).join("/")}${search === "" ? "" : `?${search}`}`;
}

/** Goes to a page of the console. */
export function go(to: string, { replace = false }: { readonly replace?: boolean } = {}): void {
  if (replace) history.replaceState(null, "", to);
  else history.pushState(null, "", to);
  dispatchEvent(new Event(CHANGED));
}

export function usePlace(): Place {
  const [place, setPlace] = useState(here);
  useEffect(() => {
    const changed = () => setPlace(here());
    addEventListener("popstate", changed);
    addEventListener(CHANGED, changed);
    return () => {
      removeEventListener("popstate", changed);
      removeEventListener(CHANGED, changed);
    };
  }, []);
  return place;
}

/** A click that opens a page here, and not in another tab or window. */
export function isPlainClick(event: MouseEvent): boolean {
  return event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
}
