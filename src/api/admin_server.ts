/**
 * Listens for the operator.
 *
 * Why it exists: see admin_place.ts. What must stay true: only whoever holds the store's lock listens, so that a socket
 * that is already there belongs to a process that has died, and is replaced; stopping leaves no file behind.
 */
import { timingSafeEqual } from "node:crypto";
import { join } from "node:path";
import { HsyncError, type Random, toHex } from "../base/mod.ts";
import { ADMIN_TRANSPORT, adminPortPath, adminSocketPath, type AdminTransport } from "./admin_place.ts";
import { isTooLongForSocket } from "./admin_place.ts";
import { type AdminOptions, createAdminHandler } from "./admin.ts";

export interface AdminServer {
  /** The file that a client looks for. */
  readonly path: string;
  close(): Promise<void>;
}

/** Time that open answers get. */
const DRAIN_MS = 1_000;

async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

async function close(
  server: Deno.HttpServer<Deno.Addr>,
  abort: AbortController,
  path: string,
): Promise<void> {
  const timer = setTimeout(() => abort.abort(), DRAIN_MS);
  try {
    await server.shutdown();
    await server.finished;
  } finally {
    clearTimeout(timer);
    await removeIfThere(path);
  }
}

/** The socket is made inside a folder that only we may enter, and moved into its place once its rights are set. */
async function onSocket(dir: string, options: AdminOptions): Promise<AdminServer> {
  const path = adminSocketPath(dir);
  if (isTooLongForSocket(path)) {
    throw new HsyncError("ADMIN_SOCKET", `${path} is too long for a socket`, {
      hint: "name a shorter --datadir, for example one relative to the working directory",
    });
  }
  const folder = join(dir, ".admin");
  const made = join(folder, "s");
  const abort = new AbortController();
  await removeIfThere(folder);
  await Deno.mkdir(folder, { mode: 0o700 });
  const handler = createAdminHandler(options);
  const server = Deno.serve(
    { path: made, signal: abort.signal, onListen: () => {} },
    (request) => handler(request),
  );
  try {
    await Deno.chmod(made, 0o600);
    await Deno.rename(made, path);
    await removeIfThere(folder);
  } catch (error) {
    await close(server, abort, folder);
    throw error;
  }
  return { path, close: () => close(server, abort, path) };
}

async function onPort(dir: string, options: AdminOptions, random: Random): Promise<AdminServer> {
  const path = adminPortPath(dir);
  const token = toHex(random.bytes(32));
  const wanted = new TextEncoder().encode(`Bearer ${token}`);
  const handler = createAdminHandler(options);
  const abort = new AbortController();
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, signal: abort.signal, onListen: () => {} },
    (request) => {
      const given = new TextEncoder().encode(request.headers.get("authorization") ?? "");
      if (given.length === wanted.length && timingSafeEqual(given, wanted)) return handler(request);
      return new Response("the token of the data directory is needed here\n", { status: 401 });
    },
  );
  try {
    await removeIfThere(path);
    const text = JSON.stringify({ port: server.addr.port, token });
    await Deno.writeTextFile(path, text, { createNew: true, mode: 0o600 });
  } catch (error) {
    await close(server, abort, path);
    throw error;
  }
  return { path, close: () => close(server, abort, path) };
}

/**
 * Starts listening for the operator of the node whose store lies in `dir`; its lock must be held.
 *
 * @throws {HsyncError} ADMIN_SOCKET: there can be no such place
 */
export async function serveAdmin(
  dir: string,
  options: AdminOptions & { readonly random: Random; readonly transport?: AdminTransport },
): Promise<AdminServer> {
  try {
    return (options.transport ?? ADMIN_TRANSPORT) === "socket"
      ? await onSocket(dir, options)
      : await onPort(dir, options, options.random);
  } catch (cause) {
    if (cause instanceof HsyncError) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new HsyncError("ADMIN_SOCKET", `cannot listen for \`hsync streams …\` in ${dir}: ${why}`, {
      hint: "is the directory on a file system without sockets?",
      cause,
    });
  }
}
