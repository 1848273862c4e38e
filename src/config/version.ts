/**
 * The `Version` of a `harmony.conf`.
 *
 * Why it exists: versions only decide which notices are due; no version is refused (config-cli-metrics.md §1.7).
 * What must stay true: an unreadable version counts as the newest.
 */

/** Numbers of `2.6.5`, or undefined. */
export function parseVersion(text: string): readonly number[] | undefined {
  const m = /^v?(\d+)\.(\d+)(?:\.(\d+))?$/.exec(text.trim());
  return m === null ? undefined : [Number(m[1]), Number(m[2]), Number(m[3] ?? 0)];
}

/** Negative, zero or positive; an unreadable version is newer than every other. */
export function compareVersions(a: string, b: string): number {
  const x = parseVersion(a) ?? [Infinity, 0, 0];
  const y = parseVersion(b) ?? [Infinity, 0, 0];
  for (let i = 0; i < 3; i++) {
    const p = x[i] as number;
    const q = y[i] as number;
    if (p !== q) return p < q ? -1 : 1;
  }
  return 0;
}
