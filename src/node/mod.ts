/** The composition: a running node and the commands that work on its store. Other folders import only from here. */
export { openChain, paramsOf } from "./chain.ts";
export { HsyncNode, type NodeOptions } from "./node.ts";
export { runNode } from "./run.ts";
export { dbExport, dbImport, dbInfo, dbVerify, runDemo } from "./db.ts";
