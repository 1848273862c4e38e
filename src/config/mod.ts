/** Configuration: one schema table; file, flags, defaults, notices. */
export * from "./types.ts";
export * from "./networks.ts";
