import type { EntryContent, RegistrationEntry } from "../domain/registration-entry.ts";

/** Whether anybody could administer the broker, were these entries declared and the others as they are. */
export function leavesAnAdmin(declared: readonly EntryContent[], registered: readonly RegistrationEntry[]): boolean {
  const isDisabled = ({ kind, name }: EntryContent) =>
    registered.some(({ content, disabled }) => disabled && content.kind === kind && content.name === name);
  const inForce = [
    ...declared.filter((content) => !isDisabled(content)),
    ...registered.filter(({ origin, disabled }) => origin === "api" && !disabled).map(({ content }) => content),
  ];
  return inForce.some((content) => content.kind === "operator" && content.role === "admin");
}
