// planted: api-imports no-development-packages
export { test } from "vitest";
