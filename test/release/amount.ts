/** All that is tried of releases and upgrades, as `make release-tests` has it, or one of each kind, as `make test` does. */
export const isWhole = process.env["STINT_RELEASE"] === "whole";
