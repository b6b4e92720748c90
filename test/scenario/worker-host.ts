/**
 * What a worker and its clients stand on: a place in the network, memory, ciphers. SCTP and SRTP are the real ones; only the DTLS handshake is
 * a stand-in, because OpenSSL reads the system's clock.
 */
import type { PeerDeps } from "@stoa/core/peer/peer";
import { SctpAssociation } from "@stoa/core/sctp/association";
import { Slab } from "@stoa/core/slab";
import { FakeDtlsFactory } from "@stoa/testkit/fake-dtls";
import type { Endpoint, LossyNetwork } from "@stoa/testkit/lossy-network";
import { NodePacketCrypto, nodeHashes, type SeededRandom } from "@stoa/testkit/node-crypto";

/** One more computer, worker or client, at this address. */
export function newHost(
  world: { readonly network: LossyNetwork; readonly random: SeededRandom },
  address: string,
  slabBytes: number,
): { deps: PeerDeps; endpoint: Endpoint; slab: Slab; fingerprint: string } {
  const slab = new Slab(new ArrayBuffer(slabBytes));
  const endpoint = world.network.attach(address, 5000, slab);
  const dtls = new FakeDtlsFactory(address);
  const deps: PeerDeps = {
    dtls,
    crypto: new NodePacketCrypto(slab),
    hashes: nodeHashes,
    random: world.random,
    sink: endpoint,
    paths: endpoint,
    sctp: (options) => new SctpAssociation(options),
  };
  return { deps, endpoint, slab, fingerprint: dtls.fingerprint };
}
