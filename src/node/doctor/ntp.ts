/**
 * How far our clock is from a time server's (SNTP, RFC 4330).
 *
 * Why it exists: a clock that is wrong makes heads look old and certificates look early; the Go node refuses to start
 * with one (config-cli-metrics.md §7). What must stay true: one datagram is sent, and what comes back is believed only when
 * it answers that one.
 */
import { createSocket } from "node:dgram";
import { HsyncError } from "../../base/mod.ts";

/** Seconds between the eras of NTP (1900) and of Unix (1970). */
const ERA_SECONDS = 2_208_988_800;
const PACKET_BYTES = 48;

/** `host`, `host:port` or `[v6]:port`; port 123 by default. */
export function parseTimeServer(text: string): { readonly host: string; readonly port: number } {
  const m = /^\[([^\]]+)\](?::(\d{1,5}))?$/.exec(text) ?? /^([^:]+)(?::(\d{1,5}))?$/.exec(text);
  return m === null ? { host: text, port: 123 } : { host: m[1] ?? text, port: Number(m[2] ?? 123) };
}

/** ms since 1970 as an NTP time stamp. */
function writeStamp(view: DataView, at: number, ms: number): void {
  const seconds = Math.floor(ms / 1000);
  view.setUint32(at, (seconds + ERA_SECONDS) % 2 ** 32);
  view.setUint32(at + 4, Math.floor((ms / 1000 - seconds) * 2 ** 32));
}

/** An NTP time stamp as ms since 1970; after 2036 the seconds start anew. */
function readStamp(view: DataView, at: number): number {
  const seconds = view.getUint32(at);
  const era = seconds < 2 ** 31 ? 2 ** 32 : 0;
  return (seconds + era - ERA_SECONDS) * 1000 + view.getUint32(at + 4) / 2 ** 32 * 1000;
}

/** The offset in ms that an answer shows (positive: our clock is behind); undefined when it answers something else. */
export function offsetOf(packet: Uint8Array, sentAt: number, arrivedAt: number): number | undefined {
  if (packet.length < PACKET_BYTES) return undefined;
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  const mode = view.getUint8(0) & 7;
  const stratum = view.getUint8(1);
  // A server echoes our own sending time; stratum 0 means "go away".
  if (mode !== 4 || stratum === 0 || Math.abs(readStamp(view, 24) - sentAt) > 1) return undefined;
  return (readStamp(view, 32) - sentAt + (readStamp(view, 40) - arrivedAt)) / 2;
}

/**
 * Asks one server.
 * @throws {HsyncError} NTP_FAILED when it does not answer in time
 */
export function clockOffset(server: string, options: {
  readonly now: () => number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}): Promise<number> {
  const { host, port } = parseTimeServer(server);
  const { now, timeoutMs, signal } = options;
  return new Promise((resolve, reject) => {
    const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
    let over = false;
    const end = (settle: () => void) => {
      // A lookup or a packet may still come back afterwards, and a socket is closed once.
      if (over) return;
      over = true;
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      socket.close();
      settle();
    };
    const failed = (why: string, cause?: unknown) =>
      end(() => reject(new HsyncError("NTP_FAILED", `${server}: ${why}`, { cause })));
    const onAbort = () => failed("given up");
    const timer = setTimeout(() => failed(`no answer within ${timeoutMs / 1000} s`), timeoutMs);
    signal.addEventListener("abort", onAbort, { once: true });
    const packet = new Uint8Array(PACKET_BYTES);
    // Version 4, mode 3: a client.
    packet[0] = 0x23;
    let sentAt = 0;
    socket.on("error", (error) => failed(error.message, error));
    socket.on("message", (message) => {
      const offset = offsetOf(new Uint8Array(message), sentAt, now());
      if (offset !== undefined) end(() => resolve(offset));
    });
    socket.bind(0, () => {
      if (over) return;
      sentAt = now();
      writeStamp(new DataView(packet.buffer), 40, sentAt);
      try {
        socket.send(packet, port, host, (error) => {
          if (error !== null && error !== undefined) failed(error.message, error);
        });
      } catch (error) {
        // A port that is none is thrown, not told; out of this callback it would end the process.
        failed(error instanceof Error ? error.message : String(error), error);
      }
    });
  });
}
