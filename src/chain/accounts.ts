/**
 * Who ran the slots of a network before anybody could stake: ordered tables of addresses and BLS keys.
 *
 * Why it exists: every genesis block and every committee before staking is a pure function of these tables
 * (chain-format.md §10.3, §12.3). What must stay true: order is part of the data; the file holds each account once,
 * and a table is a list of runs (`start+count`, or `start` alone) over it, because the tables repeat each other.
 */
import { fromHex, HsyncError } from "../base/mod.ts";
import { parseAddress } from "./bech32.ts";
import data from "./data/genesis_accounts.json" with { type: "json" };

/** Tables by network, kind, and the first epoch that uses them. */
export const ACCOUNT_TABLE_NAMES = [
  "mainnet-harmony-0",
  "mainnet-harmony-1673",
  "mainnet-fn-0",
  "mainnet-fn-1",
  "mainnet-fn-5",
  "mainnet-fn-8",
  "mainnet-fn-10",
  "mainnet-fn-12",
  "mainnet-fn-19",
  "mainnet-fn-25",
  "mainnet-fn-36",
  "mainnet-fn-46",
  "mainnet-fn-54",
  "testnet-harmony-0",
  "testnet-harmony-486",
  "testnet-fn-0",
  "localnet-harmony-0",
  "localnet-fn-0",
] as const;
export type AccountTableName = typeof ACCOUNT_TABLE_NAMES[number];

/** One account of a table. */
export interface TableAccount {
  /** 20 bytes. */
  readonly address: Uint8Array;
  /** 48 bytes. */
  readonly blsKey: Uint8Array;
}

const tables: Readonly<Record<AccountTableName, string>> = data.tables;
const lines: readonly string[] = data.accounts;
/** Decoded accounts by their place in the file; filled on demand, most processes use a few hundred. */
const decoded = new Map<number, TableAccount>();

function account(index: number): TableAccount {
  const known = decoded.get(index);
  if (known !== undefined) return known;
  const [address, key] = (lines[index] ?? "").split(" ");
  if (address === undefined || key === undefined) {
    throw new HsyncError(
      "ACCOUNT_TABLE_DAMAGED",
      `genesis account ${index} is missing from the account file`,
    );
  }
  const value = { address: parseAddress(address), blsKey: fromHex(key) };
  decoded.set(index, value);
  return value;
}

function indexes(name: AccountTableName): number[] {
  const out: number[] = [];
  for (const run of tables[name].split(" ")) {
    const [start, count] = run.split("+").map(Number);
    for (let i = 0; i < (count ?? 1); i++) out.push((start ?? 0) + i);
  }
  return out;
}

/** The accounts of a table, in order. */
export function accountTable(name: AccountTableName): TableAccount[] {
  return indexes(name).map(account);
}
