/**
 * Who is asking, and what may they see?
 *
 * Why it exists: the metrics port listens on every interface by default, so peers, paths and settings are shown to
 * callers on the same machine only (config-cli-metrics.md §8.3). What must stay true: a proxy on this machine does
 * not turn a stranger into a local caller, and a web page whose name was rebound to a loopback address gets
 * nothing.
 */
import { isIP } from "node:net";

/** True for addresses of this machine alone. */
export function isLoopback(ip: string): boolean {
  const plain = ip.toLowerCase().replace(/^\[|\]$/g, "").replace(/^::ffff:/, "");
  return plain === "::1" || (isIP(plain) === 4 && plain.startsWith("127."));
}

/** Name without port and brackets of a `Host` header. */
function hostName(header: string): string {
  const m = /^\[([^\]]+)\](?::\d+)?$/.exec(header) ?? /^([^:]+)(?::\d+)?$/.exec(header);
  return (m?.[1] ?? header).toLowerCase();
}

/**
 * True when the `Host` header cannot come from a rebound name: an address, a loopback name, or a configured one.
 */
export function isAllowedHost(header: string | null, configured: readonly string[]): boolean {
  if (header === null || header === "") return true;
  const name = hostName(header);
  return isIP(name) !== 0 || name === "localhost" || name.endsWith(".localhost") ||
    configured.some((h) => h.toLowerCase() === name);
}

/** True when the caller may see everything. */
export function seesEverything(remoteIp: string, headers: Headers, isPublic: boolean): boolean {
  if (isPublic) return true;
  return isLoopback(remoteIp) && !headers.has("forwarded") && !headers.has("x-forwarded-for");
}
