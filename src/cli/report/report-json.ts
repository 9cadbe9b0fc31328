import { hash } from "node:crypto";
import { escapeControls } from "../output/show-controls.ts";
import type { Report } from "./report.ts";

/** A report as a text of JSON that is safe to show. */
export function reportJson(report: Report): string {
  return escapeControls(JSON.stringify(report, undefined, 2));
}

/**
 * A name for what a report says, whatever its format: whoever made it can tell it to whoever reads it, by another way.
 *
 * @returns SHA-256 of `reportJson`, hexadecimal.
 */
export function reportDigest(report: Report): string {
  return hash("sha256", reportJson(report));
}
