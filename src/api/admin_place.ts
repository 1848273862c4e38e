/**
 * Where a running node and its operator meet: a socket in the store's directory.
 *
 * Why it exists: whoever may write the data directory may steer the node, nobody else; on Windows, which has no file
 * rights on sockets, a loopback port and a token in a file stand in (config-cli-metrics.md §8.3). What must stay true:
 * the socket is never reachable with wider rights than 0600, not even while it is made; the names here are the only thing
 * that server and client must agree on.
 */
import { join } from "node:path";

export type AdminTransport = "socket" | "port";

/** The system's way. */
export const ADMIN_TRANSPORT: AdminTransport = Deno.build.os === "windows" ? "port" : "socket";

/** Longest path of a socket: 104 bytes on BSD and macOS with the closing zero, 108 on Linux. */
const MAX_SOCKET_PATH = Deno.build.os === "linux" ? 107 : 103;

/** The socket of a node whose store lies in `dir`. */
export function adminSocketPath(dir: string): string {
  return join(dir, "admin.sock");
}

/** True when the system cannot have a socket at that path. */
export function isTooLongForSocket(path: string): boolean {
  return new TextEncoder().encode(path).length > MAX_SOCKET_PATH;
}

/** The file with port and token. */
export function adminPortPath(dir: string): string {
  return join(dir, "admin.json");
}

/** What that file holds. */
export interface AdminPort {
  readonly port: number;
  /** 64 hex digits. */
  readonly token: string;
}

/** Reads the file's text; undefined when it is something else. */
export function parseAdminPort(text: string): AdminPort | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null || !("port" in value) || !("token" in value)) {
    return undefined;
  }
  const { port, token } = value;
  return typeof port === "number" && typeof token === "string" ? { port, token } : undefined;
}
