/** What went wrong with NATS, in the words of its library's kinds of errors: their texts may hold what the other side wrote. */
export function reasonOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return "unknown";
  const { name } = thrown;
  // The codes of JetStream's API, and of Node.js.
  return "code" in thrown && (typeof thrown.code === "number" || typeof thrown.code === "string")
    ? `${name} ${thrown.code}`
    : name;
}
