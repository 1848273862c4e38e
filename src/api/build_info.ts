/**
 * Which build this is.
 *
 * Why it exists: version line, status, metrics and the agent text of the peer-to-peer host name the same build. What
 * must stay true: the version stands in one place, the project file; the release build stamps commit and time
 * into `build_stamp.ts`.
 */
import project from "../../deno.json" with { type: "json" };
import { BUILT_AT, COMMIT } from "./build_stamp.ts";
import type { BuildInfo } from "./process_metrics.ts";

export interface FullBuildInfo extends BuildInfo {
  /** ISO 8601; empty when run from the sources. */
  readonly builtAt: string;
  readonly v8: string;
}

export const BUILD: FullBuildInfo = {
  version: project.version,
  commit: COMMIT,
  builtAt: BUILT_AT,
  deno: Deno.version.deno,
  v8: Deno.version.v8,
  target: `${Deno.build.os}-${Deno.build.arch}`,
};
