import type { Json } from "../../cli/output/view.ts";
import { placeOf } from "../route.ts";
import { Link } from "./link.tsx";
import { Text } from "./text.tsx";

/** The pages that members lead to, by their names. */
const PAGES: Readonly<Record<string, (value: string) => string>> = {
  step_id: (id) => placeOf(["steps", id]),
  parent_step_id: (id) => placeOf(["steps", id]),
  run_id: (id) => placeOf(["runs", id]),
  decision_id: (id) => placeOf(["why", id]),
  close_decision_id: (id) => placeOf(["why", id]),
};

/** Whether there is anything to be shown. */
export function hasValue(value: Json): boolean {
  return value !== null && value !== "" && !(Array.isArray(value) && value.length === 0);
}

/** A value of a member: text, a list, or members in turn. */
export function Value({ name, value }: { readonly name: string; readonly value: Json }) {
  if (Array.isArray(value)) {
    return (
      <ul class="values">
        {(value as readonly Json[]).map((one, index) => (
          <li key={index}>
            <Value name={name} value={one} />
          </li>
        ))}
      </ul>
    );
  }
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value).filter(([, one]) => hasValue(one));
    return (
      <dl class="members">
        {members.map(([member, one]) => (
          <div key={member}>
            <dt>
              <Text text={member} />
            </dt>
            <dd>
              <Value name={member} value={one} />
            </dd>
          </div>
        ))}
      </dl>
    );
  }
  const text = String(value ?? "");
  const page = typeof value === "string" ? PAGES[name] : undefined;
  return page === undefined ? (
    <Text text={text} />
  ) : (
    <Link to={page(text)}>
      <Text text={text} />
    </Link>
  );
}
