import type { Context } from "hono";

/** How browsers reach the console. */
export type Reached = {
  /** Scheme and host; absent: those of the request, whose Host was checked. */
  readonly url?: string;
  readonly isTls: boolean;
};

/** The origin of the console's pages, without a trailing slash. */
export function ownOrigin(context: Context, { url, isTls }: Reached): string {
  return url ?? `${isTls ? "https" : "http"}://${context.req.header("host")}`;
}

/** Whether a page of the console sent the request: browsers say from which origin, and no page can say otherwise. */
export function isFromConsole(context: Context, reached: Reached): boolean {
  return context.req.header("origin") === ownOrigin(context, reached);
}
