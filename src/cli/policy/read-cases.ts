import { isMap, isScalar, LineCounter, type Node, parseDocument } from "yaml";
import {
  confinementOf,
  type DataClass,
  type DataClasses,
  NO_DATA_CLASSES,
  SENSITIVITIES,
} from "../../domain/data-classes.ts";
import { BrokerError, invalidField } from "../../domain/errors.ts";
import type { PolicyRequest } from "../../ports/policy-engine.ts";
import { readRequest } from "./read-request.ts";
import { listOf, memberOf, members, oneOf, text } from "./read-value.ts";

export type PolicyEffectName = "allow" | "deny";

/** One question with the answer that is expected. */
export type PolicyCase = {
  readonly name: string;
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly request: PolicyRequest;
  readonly expected: {
    /** `allow`: the step and each element; `deny`: the step, or one of the elements. */
    readonly effect: PolicyEffectName;
    /** Of each element, in order. */
    readonly elements?: readonly PolicyEffectName[];
    /** All policies that determined the answer, sorted. */
    readonly policies?: readonly string[];
    /** Who can approve what is denied; empty for nobody. */
    readonly approval?: string;
  };
};

/** What is wrong with a file of cases, in the form of a policy's findings. */
export type CaseFinding = {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
};

export type CasesRead = {
  readonly cases: readonly PolicyCase[];
  readonly findings: readonly CaseFinding[];
  readonly dataClasses: DataClasses;
};

const EFFECTS = ["allow", "deny"] as const;

/**
 * Reads cases of `stint policy test` from YAML: `tests`, and the `data_classes` that they stand on.
 *
 * @param file - how findings call it.
 */
export function readCases(yaml: string, file: string): CasesRead {
  const lines = new LineCounter();
  const document = parseDocument(yaml, {
    lineCounter: lines,
    version: "1.2",
    schema: "core",
    prettyErrors: false,
    logLevel: "error",
  });
  const placeAt = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const faults = [...document.errors, ...document.warnings];
  const none = { cases: [], dataClasses: NO_DATA_CLASSES };
  if (faults.length > 0) {
    return {
      ...none,
      findings: faults.slice(0, 1).map(({ pos }) => ({ ...placeAt(pos[0]), message: "not valid YAML" })),
    };
  }
  const placeOf = (field: string) => placeAt(offsetOf(document.contents, document, namesOf(field)));
  const findings: CaseFinding[] = [];
  const attempt = <Value>(read: () => Value): Value | undefined => {
    try {
      return read();
    } catch (thrown) {
      if (!(thrown instanceof BrokerError)) throw thrown;
      findings.push({ ...placeOf(thrown.metadata["field"] ?? ""), message: thrown.message });
      return undefined;
    }
  };
  const whole = attempt(() => members(plainValueOf(document), "", ["tests", "data_classes"]));
  if (whole === undefined) return { ...none, findings };
  const dataClasses = attempt(() => readDataClasses(memberOf(whole, "data_classes")));
  const tests = attempt(() => listOf((each) => each)(memberOf(whole, "tests"), "tests")) ?? [];
  const cases = tests.flatMap((one, index) => {
    const field = `tests[${index}]`;
    return attempt(() => readCase(one, field, { ...placeOf(field), dataClasses })) ?? [];
  });
  return { cases, findings, dataClasses: dataClasses ?? NO_DATA_CLASSES };
}

/** @throws BrokerError INVALID_FIELD */
function plainValueOf(document: ReturnType<typeof parseDocument>): unknown {
  try {
    return document.toJS();
  } catch {
    throw invalidField("", "no more values than a file of tests has, those that aliases stand for included");
  }
}

function readCase(
  input: unknown,
  field: string,
  { dataClasses, ...place }: { file: string; line: number; column: number; dataClasses: DataClasses | undefined },
): PolicyCase {
  const one = members(input, field, ["name", "request", "expect", "elements", "policies", "approval"]);
  const name = text(memberOf(one, "name"), `${field}.name`);
  const effect = oneOf(EFFECTS)(memberOf(one, "expect"), `${field}.expect`);
  const request = readRequest(memberOf(one, "request"), `${field}.request`);
  const elements = optional(memberOf(one, "elements"), `${field}.elements`, listOf(oneOf(EFFECTS)));
  const policies = optional(memberOf(one, "policies"), `${field}.policies`, listOf(text));
  const approval = optional(memberOf(one, "approval"), `${field}.approval`, text);
  if (elements !== undefined && elements.length !== request.elements.length) {
    throw invalidField(`${field}.elements`, "one answer for each element of the grant");
  }
  return {
    name,
    ...place,
    request: dataClasses === undefined ? request : confined(request, dataClasses),
    expected: {
      effect,
      ...(elements !== undefined && { elements }),
      ...(policies !== undefined && { policies: [...policies].sort() }),
      ...(approval !== undefined && { approval }),
    },
  };
}

function optional<Value>(
  input: unknown,
  field: string,
  read: (input: unknown, field: string) => Value,
): Value | undefined {
  return input === undefined ? undefined : read(input, field);
}

/** As the broker does it: by the classes of data that the run was granted, and those that it asks for. */
function confined(request: PolicyRequest, dataClasses: DataClasses): PolicyRequest {
  if (request.confinedTo !== undefined) return request;
  const asked = request.requested.flatMap(({ datatypes }) => datatypes);
  const confinedTo = confinementOf([...request.facts.classes, ...asked], dataClasses);
  return confinedTo === undefined ? request : { ...request, confinedTo };
}

/** Absent where the file does not say: then a run is confined where a request says so. */
function readDataClasses(input: unknown): DataClasses | undefined {
  if (input === undefined) return undefined;
  const classes = members(input, "data_classes", undefined);
  return {
    ratchet: "run",
    classes: Object.fromEntries(
      Object.keys(classes).map((name): [string, DataClass] => {
        const field = `data_classes.${name}`;
        const one = members(classes[name], field, ["sensitivity", "security_domain"]);
        return [
          name,
          {
            sensitivity: oneOf(SENSITIVITIES)(memberOf(one, "sensitivity"), `${field}.sensitivity`),
            securityDomain: optional(memberOf(one, "security_domain"), `${field}.security_domain`, listOf(text)) ?? [],
          },
        ];
      }),
    ),
  };
}

/** `tests[0].request.grant[1].actions` as names and positions. */
function namesOf(field: string): readonly (string | number)[] {
  return [...field.matchAll(/([^.[\]]+)|\[(\d+)\]/g)].map(([, name, position]) => name ?? Number(position));
}

/** Where a value begins; of one that is not there, where the nearest part around it does. */
function offsetOf(
  contents: unknown,
  document: { getIn(path: Iterable<unknown>, keepScalar: true): unknown },
  names: readonly (string | number)[],
): number {
  for (let length = names.length; length > 0; length -= 1) {
    const node = document.getIn(names.slice(0, length), true) as Node | undefined;
    const start = node?.range?.[0];
    if (start !== undefined) return start;
  }
  return isMap(contents) || isScalar(contents) ? (contents.range?.[0] ?? 0) : 0;
}
