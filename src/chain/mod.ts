/** The chain's data: encodings, hashes, roots, parameters, genesis. Other folders import only from here. */
export {
  RLP_EMPTY_LIST,
  RLP_EMPTY_STRING,
  rlpBytes,
  rlpFixed,
  rlpList,
  rlpListItems,
  RlpReader,
  rlpUint,
} from "./rlp.ts";
export { openTagged, sealTagged, type Tagged } from "./tagged.ts";
export {
  decodeHeader,
  encodeHeader,
  Header,
  type HeaderFields,
  type HeaderVersion,
  makeHeader,
} from "./header.ts";
export { EMPTY_ROOT, indexedTrieRoot, indexTrieRoot } from "./index_trie.ts";
