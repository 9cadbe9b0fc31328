# Commands of the documentation; run by explain-example.test.ts at a broker that has denied the decision `$decision`.
set -eu

# region explain
stint explain "$decision"
# endregion
