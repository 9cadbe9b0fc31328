import { useEffect, useRef, useState } from "preact/hooks";
import type { Column, View } from "../../cli/output/view.ts";
import { Link } from "./link.tsx";
import { Text } from "./text.tsx";

/** Of a row, in the style sheet too. */
const ROW_PX = 34;
/** Rows above and below what is in view, for a scroll that is faster than drawing. */
const AROUND = 12;
/** A list that is shorter is drawn whole. */
const WHOLE_MAX = 60;

type TableProps<Row> = {
  readonly caption: string;
  readonly view: View<Row>;
  readonly rows: readonly Row[];
  /** The same for the same row, however often it is loaded. */
  readonly keyOf: (row: Row) => string;
  /** The page of a row, which its first cell leads to. */
  readonly to?: (row: Row) => string | undefined;
  /** Columns that the page says already. */
  readonly without?: readonly string[];
  /** Called when the end of the rows comes into view. */
  readonly onEnd?: () => void;
};

/**
 * Rows as a table with the columns of the command line. However many there are, only those in view are drawn; those that are loaded anew
 * keep their places, and with them focus and selection.
 */
export function Table<Row>({ caption, view, rows, keyOf, to, without = [], onEnd }: TableProps<Row>) {
  const columns = view.columns.filter(({ header }) => !without.includes(header));
  const box = useRef<HTMLDivElement>(null);
  const [{ top, height }, setSeen] = useState({ top: 0, height: 600 });
  const isWhole = rows.length <= WHOLE_MAX;
  const first = isWhole ? 0 : Math.max(0, Math.min(Math.floor(top / ROW_PX) - AROUND, rows.length - AROUND));
  const last = isWhole ? rows.length : Math.min(rows.length, Math.ceil((top + height) / ROW_PX) + AROUND);

  useEffect(() => {
    const { current } = box;
    if (current === null) return;
    const look = () => setSeen({ top: current.scrollTop, height: current.clientHeight });
    look();
    const resized = new ResizeObserver(look);
    resized.observe(current);
    return () => resized.disconnect();
  }, []);
  useEffect(() => {
    if (last >= rows.length && rows.length > 0) onEnd?.();
  }, [last, rows.length, onEnd]);

  return (
    <section
      class="table"
      ref={box}
      tabIndex={0}
      aria-label={caption}
      onScroll={(event) => setSeen({ top: event.currentTarget.scrollTop, height: event.currentTarget.clientHeight })}
    >
      <table aria-rowcount={rows.length + 1}>
        <caption class="hidden">{caption}</caption>
        <thead>
          <tr>
            {columns.map(({ header, align }) => (
              <th key={header} scope="col" class={align}>
                {header.replaceAll("_", " ").toLowerCase()}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          <Gap rows={first} />
          {rows.slice(first, last).map((row, index) => (
            <tr key={keyOf(row)} aria-rowindex={first + index + 2}>
              {columns.map((column, at) => (
                <Cell key={column.header} column={column} row={row} to={at === 0 ? to?.(row) : undefined} />
              ))}
            </tr>
          ))}
          <Gap rows={rows.length - last} />
        </tbody>
      </table>
    </section>
  );
}

/** The height of rows that are not drawn. */
function Gap({ rows }: { readonly rows: number }) {
  if (rows <= 0) return null;
  // biome-ignore lint/a11y/noAriaHiddenOnFocusable: a row is not focusable
  return <tr aria-hidden="true" style={{ height: `${rows * ROW_PX}px` }} />;
}

function Cell<Row>({
  column,
  row,
  to,
}: {
  readonly column: Column<Row>;
  readonly row: Row;
  readonly to: string | undefined;
}) {
  const text = column.text(row).trimEnd();
  const style = column.style?.(row);
  const shown = <Text text={text} />;
  return (
    <td class={[column.align, style].filter((one) => one !== undefined).join(" ")} title={text}>
      {to === undefined || text === "" ? shown : <Link to={to}>{shown}</Link>}
    </td>
  );
}
