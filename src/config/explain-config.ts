import { readConfigFile } from "./config-file.ts";
import { formatPlace } from "./finding.ts";
import { type LoadOptions, loadConfig } from "./load-config.ts";
import { fileSchema } from "./schema.ts";
import { type Environment, overlay, settingsOf } from "./settings.ts";

/** One setting, its value, and where the value comes from. */
export type ExplainedSetting = {
  readonly key: string;
  /** As it would be written in the file; absent where the setting is set nowhere and has no default. */
  readonly value?: string | number | boolean;
  /** `flag log.level`, `environment STINT_LOG_LEVEL`, `stint.yaml:12:3` or `default`. */
  readonly source: string;
  /** The environment variable that would set this setting. */
  readonly variable: string;
  readonly description: string;
};

/**
 * Says of every scalar setting what its value is and where the value comes from, in the order of the schema.
 *
 * @throws ConfigError as `loadConfig` does
 */
export function explainConfig(
  path: string,
  environment: Environment,
  options: LoadOptions = {},
): readonly ExplainedSetting[] {
  loadConfig(path, environment, options);
  const source = readConfigFile(path);
  const settings = settingsOf(fileSchema);
  const { value, places } = overlay(source.value, settings, options.flags ?? {}, environment);
  return settings.map(({ key, path: at, variable, description, fallback, optionalSection }) => {
    const given = scalarAt(value, at);
    const place = places.get(key) ?? (given === undefined ? undefined : source.placeOf(at));
    const isThere = optionalSection === undefined || memberAt(value, optionalSection) !== undefined;
    const shown = given ?? (isThere ? fallback : undefined);
    return {
      key,
      ...(shown !== undefined && { value: shown }),
      source: place === undefined ? "default" : formatPlace(place),
      variable,
      description,
    };
  });
}

function memberAt(value: unknown, path: readonly string[]): unknown {
  let member = value;
  for (const name of path) {
    if (typeof member !== "object" || member === null || !Object.hasOwn(member, name)) return undefined;
    member = (member as Record<string, unknown>)[name];
  }
  return member;
}

function scalarAt(value: unknown, path: readonly string[]): string | number | boolean | undefined {
  const member = memberAt(value, path);
  return typeof member === "string" || typeof member === "number" || typeof member === "boolean" ? member : undefined;
}
