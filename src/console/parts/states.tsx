import type { ComponentChildren } from "preact";
import type { Problem } from "../api/problem.ts";
import type { Loaded } from "../live/use-live.ts";
import { placeOf } from "../route.ts";
import { Link } from "./link.tsx";
import { Text } from "./text.tsx";

/** Why something could not be had, with the decision that says more. */
export function Trouble({ problem }: { readonly problem: Problem }) {
  const { reason, message, decisionId } = problem;
  return (
    <p class="trouble" role="alert">
      {reason !== "" && <strong>{reason}: </strong>}
      <Text text={message} />
      {decisionId !== undefined && (
        <>
          {" "}
          <Link to={placeOf(["why", decisionId])}>Why?</Link>
        </>
      )}
    </p>
  );
}

/** What was loaded, or that it is being loaded, or why it can't be; what was there before stays in view. */
export function Shown<Data>({
  loaded: { data, problem },
  children,
}: {
  readonly loaded: Loaded<Data>;
  readonly children: (data: Data) => ComponentChildren;
}) {
  return (
    <>
      {problem !== undefined && <Trouble problem={problem} />}
      {data === undefined ? problem === undefined && <p class="quiet">Loading…</p> : children(data)}
    </>
  );
}

/** That there is nothing, and what would be here. */
export function Nothing({ children }: { readonly children: ComponentChildren }) {
  return <p class="quiet">{children}</p>;
}
