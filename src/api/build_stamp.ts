/**
 * Commit and time of a release build.
 *
 * Why it exists: sources do not know their own commit; the release workflow writes this file before it compiles. What
 * must stay true: two constants, nothing else.
 */
export const COMMIT = "source";
export const BUILT_AT = "";
