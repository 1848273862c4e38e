/**
 * How good a stream is, in one number, and when the whole set is in bad health.
 *
 * Why it exists: the guide promotes "the best" reserved stream and starts discovery "when stream health scores
 * drop", and leaves the formula open; it is chosen here and nowhere else. What must stay true: the score is between
 * 0 and 1, falls with every failure, and a new stream is neither praised nor punished.
 *
 * The formula: half of it is reliability, 1 / (1 + failures), because a stream that fails costs whole time-outs;
 * three tenths are speed, 1 / (1 + latency / 500 ms), because latency bounds what one request in flight can
 * deliver; two tenths are experience, the share of its requests that were answered well, smoothed.
 */

/** What the score is made from. */
export interface ScoreInputs {
  readonly failures: number;
  /** Median round trip, ms; undefined counts as 500. */
  readonly latencyMs: number | undefined;
  /** Share of good answers, 0..1; see `smooth`. */
  readonly success: number;
}

/** Share that a stream without history starts with. */
export const INITIAL_SUCCESS = 0.5;
const WEIGHT = 0.1;

/** The success share after one more outcome. */
export function smooth(success: number, good: boolean): number {
  return success + WEIGHT * ((good ? 1 : 0) - success);
}

export function score(inputs: ScoreInputs): number {
  const reliability = 1 / (1 + inputs.failures);
  const speed = 1 / (1 + (inputs.latencyMs ?? 500) / 500);
  return 0.5 * reliability + 0.3 * speed + 0.2 * inputs.success;
}

/**
 * True when at least half of the active streams have two failures or more: then fresh peers are looked for although
 * the number of streams is right.
 */
export function healthDegraded(failures: readonly number[]): boolean {
  const bad = failures.filter((n) => n >= 2).length;
  return failures.length > 0 && bad * 2 >= failures.length;
}
