/** One line of /proc/self/mountinfo. */
export type Mount = {
  readonly point: string;
  /** `ext4`, `nfs4`, `fuse.sshfs`. */
  readonly type: string;
  /** Of the mount and of its file system together, each as it is written. */
  readonly options: readonly string[];
};

/**
 * Reads mounts in the order in which they were made.
 *
 * @see proc_pid_mountinfo(5)
 */
export function parseMounts(text: string): readonly Mount[] {
  return text.split("\n").flatMap((line): readonly Mount[] => {
    const [before = "", after = ""] = line.split(" - ");
    const [, , , , point, options] = before.split(" ");
    const [type, , superOptions = ""] = after.split(" ");
    if (point === undefined || options === undefined || type === undefined) return [];
    return [{ point: unescaped(point), type, options: [...options.split(","), ...superOptions.split(",")] }];
  });
}

/** Blanks and backslashes are written in octal. */
function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

/** The mount that a path is on: of those at the longest way to it, the one that was made last covers the others. */
export function mountOf(path: string, mounts: readonly Mount[]): Mount | undefined {
  const above = ({ point }: Mount) => point === "/" || path === point || path.startsWith(`${point}/`);
  return mounts
    .filter(above)
    .reduce<Mount | undefined>(
      (best, mount) => (best === undefined || mount.point.length >= best.point.length ? mount : best),
      undefined,
    );
}

/** The value of an option such as `hidepid=2`. */
export function optionOf({ options }: Mount, name: string): string | undefined {
  const found = options.find((one) => one.startsWith(`${name}=`));
  return found?.slice(name.length + 1);
}
