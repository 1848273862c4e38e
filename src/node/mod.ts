/** The composition: a running node and the commands that work on its store. Other folders import only from here. */
export { openChain, paramsOf } from "./chain.ts";
export { dbExport, dbImport, dbInfo, importInto, type ImportTarget } from "./db.ts";
export { runDemo } from "./demo.ts";
export { HsyncNode, type NodeOptions } from "./node.ts";
export { runNode } from "./run.ts";
export { type Judge, makeVerifier, type VerifierParts } from "./verifier.ts";
export { dbInfo as dbVerify } from "./db.ts";
