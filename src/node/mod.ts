/** The composition: a running node and the commands that work on its store. Other folders import only from here. */
export { openChain, paramsOf } from "./chain.ts";
export { dbExport, dbImport, dbInfo, importInto, type ImportTarget } from "./db.ts";
export { dbUnwind, dbVerify } from "./db_check.ts";
export { runDoctor } from "./doctor/doctor.ts";
export { runDemo } from "./demo.ts";
export { EpochPart, type EpochPartOptions } from "./epochs.ts";
export { LightNode, type LightNodeOptions } from "./light.ts";
export { lightLines, runLight } from "./run_light.ts";
export { HsyncNode, type NodeOptions } from "./node.ts";
export { tryPeer } from "./peer_trial.ts";
export { runNode } from "./run.ts";
export { type Judge, makeVerifier, type VerifierParts } from "./verifier.ts";
