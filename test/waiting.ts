import { vi } from "vitest";

/** As in vitest.config.ts for `expect.poll`; a second, which is the default here too, would be a time that a test asserts. */
const WAITED_MS_MAX = 20_000;

const { waitFor } = vi;
vi.waitFor = (done, options) =>
  waitFor(done, typeof options === "number" ? options : { timeout: WAITED_MS_MAX, ...options });
