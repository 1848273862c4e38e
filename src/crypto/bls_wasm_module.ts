/**
 * One instance of the mcl library in WebAssembly: its functions, its memory, and who owns which bytes of it.
 *
 * Why it exists: numbers and points stay where the library computes with them, and JavaScript handles their
 * addresses; this file is the only one that knows how the library is loaded, set to Harmony's dialect, and
 * asked for memory. What must stay true: whatever is allocated is given back by its owner (`owned` tells how much
 * is out), a view of the memory is never kept across a call (growing detaches it), and every function used is
 * known to exist before the first call.
 */
import * as mclNamespace from "mcl-wasm";
import { HsyncError } from "../base/mod.ts";

/** Bytes of the library's numbers and points in memory (Montgomery form, Jacobian coordinates). */
export const FP = 48;
export const FP2 = 2 * FP;
export const FR = 32;
export const G1 = 3 * FP;
export const G2 = 3 * FP2;
export const GT = 12 * FP;

/** The address of something in the library's memory. */
export type Pointer = number;

const FUNCTIONS = [
  "_malloc",
  "_free",
  "_mclBn_setETHserialization",
  "_mclBn_setMapToMode",
  "_mclBn_verifyOrderG1",
  "_mclBn_verifyOrderG2",
  "_mclBnFr_setLittleEndian",
  "_mclBnFp_clear",
  "_mclBnFp_setInt32",
  "_mclBnFp_setLittleEndian",
  "_mclBnFp_isZero",
  "_mclBnFp_neg",
  "_mclBnFp_add",
  "_mclBnFp_sub",
  "_mclBnFp_mul",
  "_mclBnFp_sqr",
  "_mclBnFp_div",
  "_mclBnFp_squareRoot",
  "_mclBnFp_mapToG1",
  "_mclBnFp2_neg",
  "_mclBnFp2_inv",
  "_mclBnFp2_add",
  "_mclBnFp2_mul",
  "_mclBnFp2_sqr",
  "_mclBnFp2_squareRoot",
  "_mclBnG1_clear",
  "_mclBnG1_deserialize",
  "_mclBnG1_serialize",
  "_mclBnG1_isZero",
  "_mclBnG1_normalize",
  "_mclBnG1_neg",
  "_mclBnG1_add",
  "_mclBnG1_sub",
  "_mclBnG1_mul",
  "_mclBnG2_clear",
  "_mclBnG2_deserialize",
  "_mclBnG2_serialize",
  "_mclBnG2_isZero",
  "_mclBnG2_neg",
  "_mclBnG2_dbl",
  "_mclBnG2_add",
  "_mclBnG2_sub",
  "_mclBnG2_mul",
  "_mclBnG2_mulVec",
  "_mclBnGT_isOne",
  "_mclBnGT_mul",
  "_mclBn_millerLoopVec",
  "_mclBn_finalExp",
] as const;

/** The library's C functions: addresses and sizes in, a status or nothing out. */
export type MclFunctions = Readonly<Record<typeof FUNCTIONS[number], (...args: number[]) => number>>;

interface MclLibrary {
  readonly BLS12_381: number;
  init(curve: number): Promise<void>;
  readonly mod: Record<string, unknown> & { readonly wasmMemory: { readonly buffer: ArrayBuffer } };
}

/** How the library reads compressed points and maps numbers to the curve: its ways of before Ethereum. */
const HERUMI_SERIALIZATION = 0;
const MAP_MODE_ORIGINAL = 0;
const CHECK_ORDER = 1;

/** @throws {HsyncError} BLS_INTERNAL: something about the library is not as this code needs it. */
export function internalError(what: string, cause?: unknown): HsyncError {
  return new HsyncError("BLS_INTERNAL", `BLS library: ${what}`, {
    fault: "NONE",
    hint: "this is a fault of this node, not of a peer; please report it",
    cause,
  });
}

export class MclModule {
  readonly f: MclFunctions;
  readonly #memory: { readonly buffer: ArrayBuffer };
  #view: Uint8Array = new Uint8Array(0);
  #owned = 0;
  readonly #sizes = new Map<Pointer, number>();

  private constructor(functions: MclFunctions, memory: { readonly buffer: ArrayBuffer }) {
    this.f = functions;
    this.#memory = memory;
  }
  /**
   * A new instance with memory of its own, set to Harmony's dialect.
   *
   * @throws {HsyncError} BLS_INTERNAL when the library cannot be loaded or lacks something.
   */
  static load(): Promise<MclModule> {
    // The library keeps its latest instance in a global: two loads at once could take each other's.
    const next = loading.then(() => MclModule.#load());
    loading = next.catch(() => undefined);
    return next;
  }
  static async #load(): Promise<MclModule> {
    const library = (mclNamespace as unknown as { default: MclLibrary }).default;
    try {
      await library.init(library.BLS12_381);
    } catch (cause) {
      throw internalError("cannot be loaded", cause);
    }
    const exported = library.mod;
    for (const name of FUNCTIONS) {
      if (typeof exported[name] !== "function") throw internalError(`has no function ${name}`);
    }
    const module = new MclModule(exported as unknown as MclFunctions, exported.wasmMemory);
    module.f._mclBn_setETHserialization(HERUMI_SERIALIZATION);
    if (module.f._mclBn_setMapToMode(MAP_MODE_ORIGINAL) !== 0) {
      throw internalError("refuses the original map");
    }
    module.f._mclBn_verifyOrderG1(CHECK_ORDER);
    module.f._mclBn_verifyOrderG2(CHECK_ORDER);
    return module;
  }
  /** The memory as it is now. Valid until the next call into the library: never keep it. */
  get bytes(): Uint8Array {
    if (this.#view.length === 0) this.#view = new Uint8Array(this.#memory.buffer);
    return this.#view;
  }
  /** Bytes allocated and not given back. */
  get owned(): number {
    return this.#owned;
  }
  /** Size of the whole memory; it only ever grows. */
  get memorySize(): number {
    return this.#memory.buffer.byteLength;
  }
  /** Uninitialised memory. @throws {HsyncError} BLS_INTERNAL when there is none left. */
  allocate(size: number): Pointer {
    const pointer = this.f._malloc(size);
    if (pointer === 0) throw internalError(`has no ${size} bytes of memory left`);
    this.#sizes.set(pointer, size);
    this.#owned += size;
    return pointer;
  }
  /** Gives back what `allocate` returned. */
  free(pointer: Pointer): void {
    const size = this.#sizes.get(pointer);
    if (size === undefined) throw internalError(`was given back memory at ${pointer} that nobody holds`);
    this.#sizes.delete(pointer);
    this.#owned -= size;
    this.f._free(pointer);
  }
  copy(to: Pointer, from: Pointer, size: number): void {
    this.bytes.copyWithin(to, from, from + size);
  }
  write(to: Pointer, data: Uint8Array): void {
    this.bytes.set(data, to);
  }
  /** A copy that does not move with the memory. */
  read(from: Pointer, size: number): Uint8Array {
    return this.bytes.slice(from, from + size);
  }
}

let loading: Promise<unknown> = Promise.resolve();
