#!/usr/bin/env bash
# hyparquet-writer lets `type` of a column be left out: it is then inferred from the values. So the same column of two files has two
# types: whole numbers are INT32, once one is a fraction DOUBLE, and a column that has only nulls in one of the files is BYTE_ARRAY; a reader that
# takes both files for one table refuses them, or finds other values. Where the first number is small, one past 2^31 fails.
# With a schema of its own (`schema`) each file has the same types.
#
# Seen: hyparquet-writer 0.17.0, hyparquet 1.31.5 (npm), Node.js 24.20.0.
set -euo pipefail
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT

npm init -y > /dev/null
npm install --silent --ignore-scripts hyparquet-writer@0.17.0 hyparquet@1.31.5
cat > seen.mjs <<'JS'
import { parquetMetadata } from "hyparquet";
import { parquetWriteBuffer } from "hyparquet-writer";

const typeOf = (data, schema) => {
  try {
    const file = parquetWriteBuffer({ columnData: [{ name: "count", data }], ...(schema && { schema }) });
    return parquetMetadata(file).schema[1].type;
  } catch (error) {
    return `fails: ${error.message}`;
  }
};
for (const data of [[1, 2], [1, 2.5], [null, null], [1, 2 ** 31]]) console.log(JSON.stringify(data), typeOf(data));
const schema = [{ name: "root", num_children: 1 }, { name: "count", type: "INT64", repetition_type: "OPTIONAL" }];
for (const data of [[1n, 2n], [null, null]]) console.log("with a schema:", typeOf(data, schema));
JS
node seen.mjs | tee seen.txt
diff seen.txt - <<'SEEN'
[1,2] INT32
[1,2.5] DOUBLE
[null,null] BYTE_ARRAY
[1,2147483648] fails: parquet expected int32 value, got 2147483648
with a schema: INT64
with a schema: INT64
SEEN
