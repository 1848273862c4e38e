/**
 * A batch of certificates as one array of bytes, and its verdicts as another.
 *
 * Why it exists: what goes to a worker is copied; one flat array copies in microseconds where hundreds of small
 * objects do not, and a copy cannot change while a batch is under way. What must stay true: only certificates whose
 * lengths fit their committee are packed, so that every record has the same size.
 */
import {
  CERTIFICATE_FAULTS,
  type CertificateFault,
  type CertificateInput,
  type CertificateVerdict,
  type CommitteeKeys,
} from "./bls_certificate.ts";
import { PAYLOAD_BYTES, SIGNATURE_BYTES } from "./bls_dialect.ts";

/** What a worker is asked. */
export interface BatchRequest {
  /** Name of the committee between this worker and its owner. */
  readonly committee: number;
  /** Its packed keys, the first time. */
  readonly keys: Uint8Array | undefined;
  /** Committees that will not be named again unless their keys come along. */
  readonly forget: readonly number[];
  readonly records: Uint8Array;
}

function recordBytes(committee: CommitteeKeys): number {
  return PAYLOAD_BYTES + SIGNATURE_BYTES + committee.bitmapBytes;
}

/** Records of payload (filled up with zeros, which change nothing: §a.5), signature and bitmap. */
export function packCertificates(
  committee: CommitteeKeys,
  inputs: readonly CertificateInput[],
): Uint8Array {
  const size = recordBytes(committee);
  const out = new Uint8Array(inputs.length * size);
  inputs.forEach((input, i) => {
    out.set(input.payload.subarray(0, PAYLOAD_BYTES), i * size);
    out.set(input.signature, i * size + PAYLOAD_BYTES);
    out.set(input.bitmap, i * size + PAYLOAD_BYTES + SIGNATURE_BYTES);
  });
  return out;
}

/** Views into packed records. */
export function unpackCertificates(committee: CommitteeKeys, records: Uint8Array): CertificateInput[] {
  const size = recordBytes(committee);
  const out: CertificateInput[] = [];
  for (let at = 0; at + size <= records.length; at += size) {
    out.push({
      payload: records.subarray(at, at + PAYLOAD_BYTES),
      signature: records.subarray(at + PAYLOAD_BYTES, at + PAYLOAD_BYTES + SIGNATURE_BYTES),
      bitmap: records.subarray(at + PAYLOAD_BYTES + SIGNATURE_BYTES, at + size),
    });
  }
  return out;
}

const VALID = 1;
const FIRST_FAULT = 2;

/** One byte per verdict; 0 is none of them, so that an array of zeros means nothing. */
export function packVerdicts(verdicts: readonly CertificateVerdict[]): Uint8Array {
  return Uint8Array.from(
    verdicts,
    (verdict) => verdict.valid ? VALID : FIRST_FAULT + CERTIFICATE_FAULTS.indexOf(verdict.reason),
  );
}

/** `valid`, or the fault; undefined for a byte that is no verdict. */
export function unpackVerdict(code: number | undefined): "valid" | CertificateFault | undefined {
  if (code === VALID) return "valid";
  return code === undefined ? undefined : CERTIFICATE_FAULTS[code - FIRST_FAULT];
}
