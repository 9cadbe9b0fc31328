/** Frameworks that a report can be of; each is a file of that name in `frameworks`. */
export const FRAMEWORK_NAMES = [
  "owasp-agentic",
  "owasp-nhi",
  "owasp-mcp",
  "maestro",
  "nist-ai-rmf",
  "nist-csf",
  "eu-ai-act",
] as const;
export type FrameworkName = (typeof FRAMEWORK_NAMES)[number];

export const REPORT_FORMATS = ["html", "json", "pdf"] as const;
export type ReportFormat = (typeof REPORT_FORMATS)[number];
