/** The base layer: imports nothing of ours, and everything else may import it. */
export * from "./bytes.ts";
export * from "./clock.ts";
export * from "./errors.ts";
export * from "./event.ts";
export * from "./logger.ts";
export * from "./lru.ts";
export * from "./metrics.ts";
export * from "./random.ts";
export * from "./semaphore.ts";
