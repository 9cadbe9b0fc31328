import { readPrivateFile } from "../adapters/signer-disk/private-file.ts";
import type { OtelTracing } from "../adapters/tracing-otel/otel-tracing.ts";
import { readVersion } from "../cli/output/version.ts";
import type { TracingConfig } from "../config/tracing-section.ts";
import { BrokerError } from "../domain/errors.ts";
import type { OpenedLedger } from "../ports/ledger.ts";
import type { Log } from "../ports/log.ts";
import type { PolicyEngine } from "../ports/policy-engine.ts";
import type { Tracing } from "../ports/tracing.ts";

/** A header of one line. RFC 9110 section 5.5 */
const HEADER = /^([!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}):[ \t]*([\x21-\x7e](?:[\x20-\x7e]{0,8190}[\x21-\x7e])?)[ \t]*$/;

/**
 * Tracing as it is configured; where it is not, nothing of its library is loaded.
 *
 * @throws BrokerError or UnsafeFileError when the file of headers can't be used
 */
export async function openTracing(config: TracingConfig | undefined, log: Log): Promise<OtelTracing | undefined> {
  if (config === undefined) return undefined;
  const { url, share, headersFile } = config;
  const headers = headersFile === undefined ? {} : await headersIn(headersFile);
  const { openOtelTracing } = await import("../adapters/tracing-otel/otel-tracing.ts");
  const failed = (why: string) => log.recurring("spans can't be sent", { why });
  return openOtelTracing({ url, share, headers, version: readVersion(), failed });
}

/** @throws BrokerError INVALID_FIELD; UnsafeFileError where the file is open to others */
export async function headersIn(path: string): Promise<Readonly<Record<string, string>>> {
  const lines = String(await readPrivateFile(path)).split(/\r?\n/);
  const headers = lines
    .map((line, index) => ({ line, number: index + 1 }))
    .filter(({ line }) => line.trim() !== "")
    .map(({ line, number }) => {
      const [, name, value] = HEADER.exec(line) ?? [];
      if (name !== undefined && value !== undefined) return [name, value] as const;
      throw new BrokerError("INVALID_FIELD", `tracing.headers_file: line ${number}: expected a header, name: value`);
    });
  return Object.fromEntries(headers);
}

/** The ledger, whose acts are spans. */
export function tracedLedger<Store extends Pick<OpenedLedger, "ledger">>(store: Store, tracing: Tracing): Store {
  const { ledger } = store;
  return {
    ...store,
    ledger: { ...ledger, perform: (act) => tracing.part(`ledger ${act.act}`, () => ledger.perform(act)) },
  };
}

/** The engine of policies, whose evaluations are spans. */
export function tracedEngine(engine: PolicyEngine, tracing: Tracing): PolicyEngine {
  return {
    ...engine,
    evaluate: (root, request) => tracing.part(`policy ${request.act}`, () => engine.evaluate(root, request)),
  };
}
