import { explainConfig } from "../config/explain-config.ts";
import { BrokerError } from "../domain/errors.ts";

/** Where the configuration comes from. */
export type ConfigRequest = {
  readonly configPath: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly flags?: Readonly<Record<string, string>>;
};

/** Whoever starts the daemon is told what no caller may see: the path that has to change, or where a setting is set. */
export function forOperator(thrown: unknown, request: ConfigRequest): unknown {
  if (!(thrown instanceof BrokerError)) return thrown;
  const place = thrown.metadata["field"] === undefined ? undefined : placeOf(thrown.metadata["field"], request);
  return new Error([...(place === undefined ? [] : [place]), sentenceOf(thrown)].join(": "), { cause: thrown });
}

/** What an error says to whoever runs the broker. */
export function sentenceOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  return thrown instanceof BrokerError && thrown.detail !== undefined
    ? `${thrown.message}: ${thrown.detail}`
    : thrown.message;
}

/** Where a setting is set; `undefined` for what is no setting. */
export function placeOf(key: string, { configPath, environment, flags }: ConfigRequest): string | undefined {
  return explainConfig(configPath, environment, { flags: flags ?? {} }).find((setting) => setting.key === key)?.source;
}
