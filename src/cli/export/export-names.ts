/** What can be exported, as the command line names it. */
export const ROWS_NAMES = ["issuances", "decisions", "events", "records"] as const;
export type RowsName = (typeof ROWS_NAMES)[number];

export const EXPORT_FORMATS = ["jsonl", "csv", "parquet", "ocsf", "in-toto"] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];
