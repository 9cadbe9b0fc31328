# A command that is sent its step's credentials; run by stdio-example.test.ts with `$grant` of a broker where `researcher` may read.
set -eu

# region run
stint step run --run nightly --step serve --agent researcher --grant "$grant" --credential-fd -- "$@"
# endregion
