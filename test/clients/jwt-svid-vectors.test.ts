import { expect, test } from "vitest";
import { bundlesOf, jwtSvidVectors, outcomeOf } from "./jwt-svid-vectors.ts";

// The same file is run by the suites of the clients in other languages: what is the same for all of them is the same here.

const vectors = jwtSvidVectors();
const scene = { settings: vectors.settings, bundles: bundlesOf(vectors) };

test.for(vectors.cases)("JWT-SVID: $name", (one) => {
  expect(outcomeOf(scene, one)).toEqual(one.expected);
});
