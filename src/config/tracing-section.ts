import type { z } from "zod";
import { absolutePath, isLoopback, number, section, text } from "./fields.ts";

/** Where spans are sent, and how many. */
export type TracingConfig = {
  /** Of the collector's traces: https, or http with a loopback address. */
  readonly url: string;
  /** Of the traces that begin at the broker, 0 to 1. */
  readonly share: number;
  /** Path of a file of headers. */
  readonly headersFile?: string;
};

const URL_EXPECTED =
  "an https URL of a collector's traces, e.g. https://collector.example.org:4318/v1/traces, or http with a loopback address";

export const tracingSection = section({
  otlp: text(URL_EXPECTED)
    .refine(isCollectorUrl, { error: `expected ${URL_EXPECTED}` })
    .describe("Where spans are sent, by OTLP over HTTP: TLS, or this machine alone."),
  sample: number("a share, e.g. 0.1")
    .refine((share) => share >= 0 && share <= 1, { error: "expected 0 to 1" })
    .prefault(1)
    .describe(
      "Share of the traces that begin at the broker. A caller that sends a trace of its own decides for that trace.",
    ),
  headers_file: absolutePath()
    .optional()
    .describe("File of mode 0600 with headers that the collector wants, a `name: value` on each line."),
});

export function tracingOf({ otlp, sample, headers_file }: z.output<typeof tracingSection>): TracingConfig {
  return { url: otlp, share: sample, ...(headers_file !== undefined && { headersFile: headers_file }) };
}

function isCollectorUrl(given: string): boolean {
  if (!URL.canParse(given)) return false;
  const { protocol, hostname, username, password, search, hash } = new URL(given);
  if (username !== "" || password !== "" || search !== "" || hash !== "") return false;
  return protocol === "https:" || (protocol === "http:" && isLoopback(hostname.replace(/^\[|\]$/g, "")));
}
