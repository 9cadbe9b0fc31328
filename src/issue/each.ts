import { type Denial, denialFrom, isDenial } from "../domain/errors.ts";

/** Applies one stage to a batch: an item that an earlier stage refused stays refused, in its place. */
export function each<In extends object, Out>(
  items: readonly (In | Denial)[],
  stage: (item: In) => Out | Denial,
): readonly (Out | Denial)[] {
  return items.map((item) => {
    if (isDenial(item)) return item;
    try {
      return stage(item);
    } catch (thrown) {
      return denialFrom(thrown);
    }
  });
}
