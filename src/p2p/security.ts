/**
 * Noise, with the muxer chosen the way Go chooses it.
 *
 * Why it exists: inside the handshake both ends announce their muxers and pick one without another word. As the
 * dialling side our library follows the responder's order of preference, a Go responder follows the dialler's: with
 * two muxers in different orders the two ends speak different muxers, and the connection dies at its first byte. A Go
 * boot node (mplex first) met by us (yamux first) does exactly that. What must stay true: on connections that we dial
 * the muxer is negotiated after the handshake, one name at a time, in our order; on those we accept, the dialler's
 * order decides at both ends, so nothing needs to change there.
 */
import { noise } from "@chainsafe/libp2p-noise";

type NoiseFactory = ReturnType<typeof noise>;

/** The connection encrypter of the host. */
export function noiseLikeGo(): NoiseFactory {
  const create = noise();
  return (components) => {
    const inner = create(components);
    const secureOutbound = inner.secureOutbound.bind(inner);
    inner.secureOutbound = ((connection, options) =>
      secureOutbound(connection, {
        ...options,
        skipStreamMuxerNegotiation: true,
      })) as typeof inner.secureOutbound;
    return inner;
  };
}
