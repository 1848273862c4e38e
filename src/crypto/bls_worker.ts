/**
 * The worker that verifies certificates: an entry point, started by `bls_verifier.ts` and imported by nobody.
 *
 * Why it exists: pairings take milliseconds each, and a thread of its own keeps them away from the event loop.
 * What must stay true: it holds no state but what it was sent (committees by number) and its caches.
 */
import { HsyncError } from "../base/mod.ts";
import { CommitteeKeys } from "./bls_certificate.ts";
import { type BatchRequest, packVerdicts, unpackCertificates } from "./bls_protocol.ts";
import { WasmBls } from "./bls_wasm.ts";
import { COARSE } from "./bls_wasm_batch.ts";
import { runSliced, serveJobs, type WorkerScope } from "./worker_serve.ts";

/** How long a cancellation may go unheard. */
const SLICE_MS = 50;

const bls = await WasmBls.create();
const committees = new Map<number, CommitteeKeys>();

serveJobs(globalThis as unknown as WorkerScope, async (body, stopped) => {
  const request = body as BatchRequest; // from our own verifier
  for (const id of request.forget) committees.delete(id);
  if (request.keys !== undefined) committees.set(request.committee, CommitteeKeys.packed(request.keys));
  const committee = committees.get(request.committee);
  if (committee === undefined) {
    throw new HsyncError("BLS_INTERNAL", `a worker was asked about committee ${request.committee} unseen`);
  }
  const inputs = unpackCertificates(committee, request.records);
  return packVerdicts(await runSliced(bls.verifySteps(committee, inputs, COARSE), SLICE_MS, stopped));
});
