/**
 * What a pool and its workers say to each other.
 *
 * Why it exists: both ends speak from one definition. What must stay true: a worker gets one job at a time and
 * answers each with exactly one of done, cancelled or failed; before that it says `ready` once.
 */

export type ToWorker =
  | { readonly kind: "job"; readonly id: number; readonly body: unknown }
  | { readonly kind: "cancel"; readonly id: number };

export type FromWorker =
  | { readonly kind: "ready" }
  | { readonly kind: "done"; readonly id: number; readonly answer: unknown }
  | { readonly kind: "cancelled"; readonly id: number }
  /** The worker's own fault: its state is not to be trusted any more. */
  | { readonly kind: "failed"; readonly id: number; readonly message: string };

/** The message as one of ours, or undefined. */
export function asFromWorker(data: unknown): FromWorker | undefined {
  if (typeof data !== "object" || data === null || !("kind" in data)) return undefined;
  const { kind } = data;
  if (kind === "ready") return { kind };
  if (!("id" in data) || typeof data.id !== "number") return undefined;
  if (kind === "done") return { kind, id: data.id, answer: "answer" in data ? data.answer : undefined };
  if (kind === "cancelled") return { kind, id: data.id };
  if (kind === "failed") {
    return { kind, id: data.id, message: "message" in data ? String(data.message) : "" };
  }
  return undefined;
}
