# Commands of the documentation; run by exports-example.test.ts in a directory of its own.
set -eu

# region export
stint history export issuances --since 7d --out week.jsonl          # JSON lines, oldest first
stint history export decisions --format csv --run report-7 --out report-7.csv
stint history export events | gzip > ledger.jsonl.gz                # to a pipe
# endregion

# region parquet
stint history export issuances --format parquet --out issuances     # a directory of files
stint history export decisions --format parquet --out decisions
# endregion

# region siem
stint history export decisions --format ocsf --out decisions.ocsf.jsonl
# endregion

# region records
stint history export records --format in-toto --out records.jsonl 2> key.txt
sed -n '/BEGIN PUBLIC KEY/,/END PUBLIC KEY/p' key.txt > records.pem
# endregion
