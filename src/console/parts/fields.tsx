import type { View } from "../../cli/output/view.ts";
import { recordOf } from "../../cli/output/view.ts";
import { Text } from "./text.tsx";
import { hasValue, Value } from "./value.tsx";

/** One thing with all its members that have a value, in the words of the command line. */
export function Fields<Row>({
  view,
  row,
  without = [],
}: {
  readonly view: View<Row>;
  readonly row: Row;
  /** Members that are shown elsewhere. */
  readonly without?: readonly string[];
}) {
  const members = Object.entries(recordOf(view, row)).filter(
    ([name, value]) => hasValue(value) && !without.includes(name),
  );
  return (
    <dl class="fields">
      {members.map(([name, value]) => (
        <div key={name}>
          <dt>
            <Text text={name} />
          </dt>
          <dd>
            <Value name={name} value={value} />
          </dd>
        </div>
      ))}
    </dl>
  );
}
