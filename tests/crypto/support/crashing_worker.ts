/** A worker that becomes ready and dies, uncaught, over its first job. */
const scope = globalThis as unknown as {
  onmessage: (() => void) | null;
  postMessage(message: unknown): void;
};
scope.onmessage = () => {
  throw new Error("died over a job");
};
scope.postMessage({ kind: "ready" });
