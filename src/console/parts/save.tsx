import { formatCsvLine } from "../../cli/output/csv.ts";
import { recordOf, type View } from "../../cli/output/view.ts";

/** Saves the rows that are shown, as `stint history --output` would print them. */
export function Save<Row>({
  name,
  view,
  rows,
}: {
  readonly name: string;
  readonly view: View<Row>;
  readonly rows: readonly Row[];
}) {
  const records = () => rows.map((row) => recordOf(view, row));
  const csv = () => [
    view.fields.map(([field]) => field),
    ...records().map((one) => view.fields.map(([field]) => one[field] ?? null)),
  ];
  return (
    <span class="buttons">
      <button
        type="button"
        onClick={() => save(`${name}.json`, "application/json", `${JSON.stringify(records(), null, 2)}\n`)}
      >
        Save {rows.length} as JSON
      </button>
      <button type="button" onClick={() => save(`${name}.csv`, "text/csv", csv().map(formatCsvLine).join(""))}>
        Save {rows.length} as CSV
      </button>
    </span>
  );
}

function save(name: string, type: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = Object.assign(document.createElement("a"), { href: url, download: name });
  link.click();
  URL.revokeObjectURL(url);
}
