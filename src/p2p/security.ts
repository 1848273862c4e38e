/**
 * Noise, with the muxer chosen the way Go chooses it, and each message written in one piece.
 *
 * Why it exists: inside the handshake both ends announce their muxers and pick one without another word. As the
 * dialling side our library follows the responder's order of preference, a Go responder follows the dialler's: with
 * two muxers in different orders the two ends speak different muxers, and the connection dies at its first byte. A Go
 * boot node (mplex first) met by us (yamux first) does exactly that. And the library hands the length of an encrypted
 * message and the message itself to the socket one after the other, which costs two system calls, two packets, and two
 * reads on the other side. What must stay true: on connections that we dial the muxer is negotiated after the
 * handshake, one name at a time, in our order; on those we accept, the dialler's order decides at both ends, so
 * nothing needs to change there.
 */
import { noise } from "@chainsafe/libp2p-noise";
import type { MessageStream } from "@libp2p/interface";

type NoiseFactory = ReturnType<typeof noise>;

/** The connection encrypter of the host. */
export function noiseLikeGo(): NoiseFactory {
  const create = noise();
  return (components) => {
    const inner = create(components);
    const secureOutbound = inner.secureOutbound.bind(inner);
    inner.secureOutbound = ((connection, options) => {
      sendInOnePiece(connection);
      return secureOutbound(connection, { ...options, skipStreamMuxerNegotiation: true });
    }) as typeof inner.secureOutbound;
    const secureInbound = inner.secureInbound.bind(inner);
    inner.secureInbound = ((connection, options) => {
      sendInOnePiece(connection);
      return secureInbound(connection, options);
    }) as typeof inner.secureInbound;
    return inner;
  };
}

/** From now on what is sent together leaves together: one copy is cheaper than one more packet. */
function sendInOnePiece(connection: MessageStream): void {
  const send = connection.send.bind(connection);
  connection.send = (data) => send(data instanceof Uint8Array ? data : data.subarray());
}
