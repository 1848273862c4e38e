/**
 * What an operator may make a running node do, as requests and answers.
 *
 * Why it exists: "force discovery", "drop this stream" and "end this cooldown" change a node, so they never stand on
 * the status listener (config-cli-metrics.md §8.3; DESIGN, "Never"). What must stay true: pure requests in, answers
 * out, so that tests need no socket; a body is read only as far as a request can be long.
 */
import { asHsyncError, HsyncError } from "../base/mod.ts";
import type { StatusDocument } from "./status_types.ts";

/** How a protocol's search for peers stands. */
export interface DiscoveryAnswer {
  readonly topic: string;
  readonly running: boolean;
  readonly active: number;
}

/** What the node does when it is told to. */
export interface AdminActions {
  /** Looks for peers now, unless a look was just taken. */
  discover(): readonly DiscoveryAnswer[];
  /** Ends the streams of a peer. @returns of how many protocols */
  drop(peer: string): number;
  /** Ends the cooldown of a peer, or all. @returns how many there were */
  forgive(peer: string | "all"): number;
}

export interface AdminOptions {
  readonly actions: AdminActions;
  readonly status: () => StatusDocument;
  readonly onError: (error: unknown) => void;
}

/** Longest body of a request: a peer id with room to spare. */
const MAX_BODY = 4_096;
/** How long a sender may take for it. */
const BODY_MS = 2_000;

/** True for what can be a peer id: base58 text. */
export function isPeerText(text: string): boolean {
  return /^[1-9A-HJ-NP-Za-km-z]{10,128}$/.test(text);
}

function json(body: Record<string, unknown>, status = 200): Response {
  return Response.json({ schema: 1, ...body }, { status, headers: { "cache-control": "no-store" } });
}

function refused(status: number, code: string, message: string, hint: string): Response {
  return json({ error: { code, message, hint } }, status);
}

async function bodyOf(request: Request): Promise<string> {
  if (request.body === null) return "";
  const reader = request.body.getReader();
  const late = setTimeout(() => reader.cancel().catch(() => {}), BODY_MS);
  const decoder = new TextDecoder();
  let text = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return text;
      text += decoder.decode(value, { stream: true });
      if (text.length > MAX_BODY) throw new HsyncError("ADMIN_BODY", "the request is too long");
    }
  } finally {
    clearTimeout(late);
    await reader.cancel();
  }
}

/** The peer that a request names. @throws {HsyncError} ADMIN_BODY */
async function peerOf(request: Request, orAll: boolean): Promise<string> {
  let peer: unknown;
  try {
    const body: unknown = JSON.parse(await bodyOf(request));
    peer = typeof body === "object" && body !== null && "peer" in body ? body.peer : undefined;
  } catch (cause) {
    if (cause instanceof HsyncError) throw cause;
    throw new HsyncError("ADMIN_BODY", "the request is not JSON", { cause });
  }
  if (typeof peer === "string" && (isPeerText(peer) || (orAll && peer === "all"))) return peer;
  throw new HsyncError("ADMIN_BODY", `"peer" must be a peer id${orAll ? ' or "all"' : ""}`, {
    hint: "`hsync streams list` shows the ids",
  });
}

/** Answers one request. */
export function createAdminHandler(options: AdminOptions): (request: Request) => Promise<Response> {
  const { actions, status } = options;
  const get: Record<string, () => Response> = {
    "/status": () => Response.json(status()),
    "/streams": () => {
      const { time, streams, requests } = status();
      return json({ time, ...streams, requests });
    },
  };
  const post: Record<string, (request: Request) => Response | Promise<Response>> = {
    "/discover": () => json({ protocols: actions.discover() }),
    "/drop": async (request) => {
      const peer = await peerOf(request, false);
      const dropped = actions.drop(peer);
      if (dropped > 0) return json({ peer, dropped });
      return refused(
        404,
        "NO_STREAM",
        `there is no stream with ${peer}`,
        "`hsync streams list` shows the streams",
      );
    },
    "/forgive": async (request) => {
      const peer = await peerOf(request, true);
      return json({ peer, forgiven: actions.forgive(peer) });
    },
  };
  return async (request) => {
    const { pathname } = new URL(request.url);
    const [mine, other] = request.method === "POST" ? [post, get] : [get, post];
    const route = Object.hasOwn(mine, pathname) ? mine[pathname] : undefined;
    if (route === undefined) {
      if (Object.hasOwn(other, pathname)) {
        const method = other === post ? "POST" : "GET";
        return refused(405, "ADMIN_METHOD", `${pathname} does not answer ${request.method}`, `use ${method}`);
      }
      const paths = [...Object.keys(get), ...Object.keys(post)].join(" ");
      return refused(404, "ADMIN_PATH", `there is nothing at ${pathname}`, `the paths are ${paths}`);
    }
    try {
      return await route(request);
    } catch (thrown) {
      const error = asHsyncError(thrown);
      if (error.code !== "UNEXPECTED") {
        return refused(400, error.code, error.message, error.hint ?? "`hsync help` lists the commands");
      }
      options.onError(thrown);
      return refused(
        500,
        error.code,
        "this failed; the node's log says why",
        "look into the log of the node",
      );
    }
  };
}
