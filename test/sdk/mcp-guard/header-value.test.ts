import { expect, test } from "vitest";
import { decodeHeaderValue, encodeHeaderValue } from "../../../src/sdk/mcp-guard/header-value.ts";

test.for([
  { value: "search", says: "search" },
  { value: "=?base64?c2VhcmNo?=", says: "search" },
  { value: "=?base64?w6RwZmVs?=", says: "äpfel" },
  { value: "=?base64?PT9iYXNlNjQ/YT89?=", says: "=?base64?a?=" },
  { value: "=?base64??=", says: "" },
  { value: "=?BASE64?c2VhcmNo?=", says: "=?BASE64?c2VhcmNo?=" },
  { value: "=?base64?c2VhcmNo", says: "=?base64?c2VhcmNo" },
  { value: "=?base64?c2VhcmN?=", says: undefined },
  { value: "=?base64?c2Vh cmNo?=", says: undefined },
  { value: "=?base64?_w==?=", says: undefined },
  { value: "=?base64?/w==?=", says: undefined },
  { value: "=?base64?=", says: undefined },
])("$value says $says", ({ value, says }) => {
  expect(decodeHeaderValue(value)).toBe(says);
});

test.for(["task-1", "task 1", "Aufgabe für morgen", "=?base64?", "=?base64?dGFzaw==?=", ""])(
  "%j is read again as it was written, in what a header can hold",
  (text) => {
    const written = encodeHeaderValue(text);
    expect(new Headers({ name: written }).get("name")).toBe(written);
    expect(decodeHeaderValue(written)).toBe(text);
  },
);
