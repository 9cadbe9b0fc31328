import { ByteWriter, ParquetWriter } from "hyparquet-writer";

/** What the values of a column are. `null` is absent in each; a list is never absent, and may be empty. */
export type ParquetColumn =
  | { readonly name: string; readonly kind: "whole"; readonly values: readonly (bigint | null)[] }
  | { readonly name: string; readonly kind: "text"; readonly values: readonly (string | null)[] }
  /** Microseconds since 1970. */
  | { readonly name: string; readonly kind: "instant"; readonly values: readonly (bigint | null)[] }
  | { readonly name: string; readonly kind: "texts"; readonly values: readonly (readonly string[])[] };

type SchemaElement = ConstructorParameters<typeof ParquetWriter>[0]["schema"][number];

const STRING = { converted_type: "UTF8", logical_type: { type: "STRING" } } as const;

/**
 * A whole Parquet file. Its schema follows from the columns alone: by itself the library would infer the types from the
 * values, so that a column without values changed its type, and instants would be without a zone.
 *
 * @see https://github.com/apache/parquet-format/blob/apache-parquet-format-2.11.0/LogicalTypes.md
 */
export async function parquetBytes(columns: readonly ParquetColumn[]): Promise<Uint8Array> {
  const writer = new ByteWriter();
  const root: SchemaElement = { name: "rows", num_children: columns.length };
  const parquet = new ParquetWriter({ writer, schema: [root, ...columns.flatMap(schemaOf)], createdBy: "stint" });
  await parquet.write({ columnData: columns.map(({ name, values }) => ({ name, data: [...values] })) });
  await parquet.finish();
  return writer.getBytes();
}

function schemaOf({ name, kind }: ParquetColumn): readonly SchemaElement[] {
  const optional = { name, repetition_type: "OPTIONAL" } as const;
  switch (kind) {
    case "whole":
      return [{ ...optional, type: "INT64" }];
    case "text":
      return [{ ...optional, type: "BYTE_ARRAY", ...STRING }];
    case "instant":
      return [
        {
          ...optional,
          type: "INT64",
          converted_type: "TIMESTAMP_MICROS",
          logical_type: { type: "TIMESTAMP", isAdjustedToUTC: true, unit: "MICROS" },
        },
      ];
    case "texts":
      return [
        { name, repetition_type: "REQUIRED", num_children: 1, converted_type: "LIST", logical_type: { type: "LIST" } },
        { name: "list", repetition_type: "REPEATED", num_children: 1 },
        { name: "element", type: "BYTE_ARRAY", repetition_type: "REQUIRED", ...STRING },
      ];
  }
}
