import { expect, test } from "vitest";
import { socketPathOf } from "../../src/wire/channel.ts";

test.for([
  { named: "unix:///run/stint/workload.sock", path: "/run/stint/workload.sock" },
  { named: "unix:/run/stint/workload.sock", path: "/run/stint/workload.sock" },
  { named: "/run/stint/workload.sock", path: "/run/stint/workload.sock" },
  { named: "unix:relative.sock", path: "relative.sock" },
  { named: "relative.sock", path: "relative.sock" },
])("$named is the socket $path", ({ named, path }) => {
  expect(socketPathOf(named)).toBe(path);
});

test.for(["", "unix:", "tcp://127.0.0.1:8000", "https://example.org", "unix://host/path", "dns:localhost"])(
  "%j names no socket",
  (named) => {
    expect(() => socketPathOf(named, "operator_socket")).toThrow(
      expect.objectContaining({ code: "INVALID_FIELD", metadata: { field: "operator_socket" } }),
    );
  },
);
