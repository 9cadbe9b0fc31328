/** Where systemd puts the services of the whole machine; only root can put a process there. */
const SYSTEM_SLICE = "system.slice";
const SERVICE = ".service";
const SLICE = ".slice";

/** Why no unit is given. */
export type NoUnit = { readonly kind: "no-unit"; readonly reason: string };

/**
 * The system service that a process belongs to, by the kernel's word on its control group.
 *
 * A unit below `user.slice` is not given: a user makes such units, under any name. Nor is a unit given that a process
 * could have moved itself into; a move takes write access to the control group. Groups that a service makes below its
 * own unit do not count.
 *
 * @param text - content of `/proc/<pid>/cgroup`.
 * @returns the unit's name, e.g. `worker@7.service`.
 * @see cgroups(7), systemd.slice(5)
 */
export function systemdUnitOf(text: string): string | NoUnit {
  const path = unifiedPath(text) ?? namedPath(text);
  if (path === undefined) return noUnit("the process is in no control group of systemd's");
  // Where the broker has a control-group namespace of its own, groups outside it are shown with `/../` in their path.
  if (path.includes("/../")) return noUnit("the process is outside the broker's control-group namespace");
  const [root, slice, ...below] = path.split("/");
  if (root !== "" || slice !== SYSTEM_SLICE) return noUnit("the process is not in system.slice");
  const unit = below.find((one) => !one.endsWith(SLICE));
  if (unit === undefined || !unit.endsWith(SERVICE)) return noUnit("the process is in no service of system.slice");
  return unescaped(unit);
}

/**
 * The control group that a process belongs to, as far as the group tells it from others: for a system service the whole
 * unit, since a service may make groups below its own and move its processes between them.
 *
 * @param text - content of `/proc/<pid>/cgroup`.
 * @returns the group's path; `/` where the machine's programs are not kept apart by groups
 */
export function controlGroupOf(text: string): string {
  const path = unifiedPath(text) ?? namedPath(text) ?? "/";
  const parts = path.split("/");
  if (parts[1] !== SYSTEM_SLICE) return path;
  const unit = parts.findIndex((part, index) => index > 1 && !part.endsWith(SLICE));
  return unit === -1 ? path : parts.slice(0, unit + 1).join("/");
}

/** Control groups of version 2. */
function unifiedPath(text: string): string | undefined {
  const path = /^0::(\/.*)$/m.exec(text)?.[1];
  // Where version 1 is still in use, systemd has a hierarchy of its own there, and may leave the one of version 2
  // empty.
  return path === "/" ? undefined : path;
}

function namedPath(text: string): string | undefined {
  return /^[0-9]+:name=systemd:(\/.*)$/m.exec(text)?.[1];
}

/** A leading underscore keeps a unit's name from being taken for a file of the kernel's. */
function unescaped(unit: string): string {
  return unit.startsWith("_") ? unit.slice(1) : unit;
}

function noUnit(reason: string): NoUnit {
  return { kind: "no-unit", reason };
}
