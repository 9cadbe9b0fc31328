# A command as a step; run by examples.test.ts.
# region run
stint step run --run nightly --step index --agent researcher -- sh -c 'echo "indexing as $STINT_STEP_ID"'
# endregion
