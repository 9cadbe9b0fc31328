"""Reads a directory of Parquet files with pyarrow and with DuckDB, and prints what each makes of it, as JSON."""

import datetime
import json
import sys

import duckdb
import pyarrow.dataset

directory = sys.argv[1]


def told(value):
    """Instants in microseconds, for they must be instants to both and not texts."""
    if isinstance(value, datetime.datetime):
        assert value.utcoffset() is not None, "an instant without a zone"
        since = value.astimezone(datetime.timezone.utc) - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
        return since // datetime.timedelta(microseconds=1)
    return value


def rows(names, values):
    return [{name: told(value) for name, value in zip(names, row)} for row in values]


dataset = pyarrow.dataset.dataset(directory, format="parquet")
table = dataset.to_table()
relation = duckdb.connect().sql(f"SELECT * FROM '{directory}/*.parquet'")
print(
    json.dumps(
        {
            "schema": {field.name: str(field.type) for field in table.schema},
            "duckdb": dict(zip(relation.columns, map(str, relation.types))),
            "pyarrow_rows": [{name: told(value) for name, value in row.items()} for row in table.to_pylist()],
            "duckdb_rows": rows(relation.columns, relation.fetchall()),
        }
    )
)
