/**
 * What the operator's requests do to the stream protocols.
 *
 * Why it exists: `api/` knows the requests, the protocols know how. What must stay true: every action is in the log,
 * since a log without it would tell a wrong story.
 */
import type { Logger } from "../base/mod.ts";
import type { AdminActions } from "../api/mod.ts";
import type { SyncProtocol } from "../stream/mod.ts";

/** @param protocols those of the node, its own chain first; may still grow. */
export function adminActions(protocols: readonly SyncProtocol[], logger: Logger): AdminActions {
  return {
    discover: () => {
      logger.info("the operator asks for a discovery");
      const out = [];
      for (const protocol of protocols) {
        // One that only serves wants nobody.
        if (protocol.snapshot().required.softLowCap === 0) continue;
        protocol.discover();
        const { topic, active, discovery: { running } } = protocol.snapshot();
        out.push({ topic, active, running });
      }
      return out;
    },
    drop: (peer) => {
      const dropped = protocols.filter((p) => p.drop(peer)).length;
      logger.info("the operator drops a peer", { peer, dropped });
      return dropped;
    },
    forgive: (peer) => {
      const forgiven = protocols.reduce((n, p) => n + p.forgive(peer), 0);
      logger.info("the operator ends cooldowns", { peer, forgiven });
      return forgiven;
    },
  };
}
