/**
 * How the certificates of a batch share pairings: a decision about bitmaps, without any curve.
 *
 * Why it exists: certificates of one committee differ little in who is absent. Either all that carry the same
 * bitmap share one pairing, or all certificates share one for the whole committee and each absent key (or set of keys
 * that is always absent together) adds one (consensus-verification.md §f). What must stay true: both ways state
 * the same equation; only the number of pairings differs.
 */
import {
  type CertificateInput,
  type CertificateVerdict,
  type CommitteeKeys,
  inspectCertificate,
  isMarked,
  refused,
} from "./bls_certificate.ts";

/** The certificates of a batch that carry the same bitmap (spare bits aside). */
export interface BitmapGroup {
  /** Indices into the batch. */
  readonly members: number[];
  readonly signers: number;
  /** Marked slots; all usable in the groups that are handed out. */
  readonly present: readonly number[];
  /** Unmarked slots whose key is usable, thus part of the committee's total. */
  readonly absent: readonly number[];
}

/** Slots that are absent from exactly the same groups. */
export interface AbsencePattern {
  readonly slots: number[];
  /** Indices into the list of groups. */
  readonly groups: readonly number[];
}

export type PairingPlan =
  /** One pairing per group, with the sum of its signers' keys. */
  | { readonly by: "bitmap" }
  /** One pairing with the committee's total less `always`, and one per pattern. */
  | {
    readonly by: "absence";
    readonly always: readonly number[];
    readonly patterns: readonly AbsencePattern[];
  };

/**
 * Sorts a batch by bitmap and refuses what lengths and bitmaps alone condemn.
 *
 * @param usable per slot 1 when its key can sign.
 * @returns the groups, and per certificate a verdict where one is due already.
 */
export function groupByBitmap(
  committee: CommitteeKeys,
  usable: Uint8Array,
  inputs: readonly CertificateInput[],
): { readonly groups: BitmapGroup[]; readonly verdicts: Array<CertificateVerdict | undefined> } {
  const groups = new Map<string, BitmapGroup>();
  const verdicts = inputs.map((input, index): CertificateVerdict | undefined => {
    const { fault, signers } = inspectCertificate(committee, input);
    if (fault !== undefined) return refused(fault, signers);
    const name = bitmapName(input.bitmap, committee.size);
    let group = groups.get(name);
    if (group === undefined) {
      group = newGroup(committee.size, usable, input.bitmap, signers);
      groups.set(name, group);
    }
    group.members.push(index);
    return undefined;
  });
  const sound: BitmapGroup[] = [];
  for (const group of groups.values()) {
    // One marked key that cannot sign spoils the certificate, whatever the others add up to.
    if (group.present.every((slot) => usable[slot] === 1)) sound.push(group);
    else for (const index of group.members) verdicts[index] = refused("SIGNER_KEY_UNUSABLE", group.signers);
  }
  return { groups: sound, verdicts };
}

function bitmapName(bitmap: Uint8Array, size: number): string {
  const spare = (8 - (size & 7)) & 7;
  let name = "";
  for (let i = 0; i < bitmap.length; i++) {
    const byte = bitmap[i] as number;
    name += String.fromCharCode(i === bitmap.length - 1 ? byte & (0xff >> spare) : byte);
  }
  return name;
}

function newGroup(size: number, usable: Uint8Array, bitmap: Uint8Array, signers: number): BitmapGroup {
  const present: number[] = [];
  const absent: number[] = [];
  for (let slot = 0; slot < size; slot++) {
    if (isMarked(bitmap, slot)) present.push(slot);
    else if (usable[slot] === 1) absent.push(slot);
  }
  return { members: [], signers, present, absent };
}

/** The way that needs fewer pairings for these groups. */
export function planPairings(groups: readonly BitmapGroup[]): PairingPlan {
  const absentFrom = new Map<number, number[]>();
  groups.forEach((group, index) => {
    for (const slot of group.absent) {
      const list = absentFrom.get(slot);
      if (list === undefined) absentFrom.set(slot, [index]);
      else list.push(index);
    }
  });
  const always: number[] = [];
  const patterns = new Map<string, AbsencePattern>();
  for (const [slot, list] of absentFrom) {
    if (list.length === groups.length) {
      always.push(slot);
      continue;
    }
    const name = list.join();
    const pattern = patterns.get(name);
    if (pattern === undefined) patterns.set(name, { slots: [slot], groups: list });
    else pattern.slots.push(slot);
  }
  if (groups.length <= patterns.size + 1) return { by: "bitmap" };
  return { by: "absence", always, patterns: [...patterns.values()] };
}
