/** ICE, DTLS and SCTP of the client's description → `RemoteTransport`, and which DTLS role we answer with. */
import type { SdpMedia, SdpSession } from "@stoa/wire/sdp/description";
import type { DtlsRole } from "../crypto.ts";
import type { RemoteTransport } from "../engine/specs.ts";

/**
 * Our role when answering. We prefer to be the server (then we choose the SRTP profile: GCM); a role once taken stays,
 * because browsers offer actpass in every offer and the association must not change sides.
 */
export function answeredRole(session: SdpSession, former: DtlsRole | undefined): DtlsRole {
  if (session.transport.setup === "passive") return "client";
  if (session.transport.setup === "active") return "server";
  return former ?? "server";
}

/** Our role when the client answered our actpass. */
export function offeredRole(session: SdpSession): DtlsRole {
  return session.transport.setup === "passive" ? "client" : "server";
}

/** `data`: the application section in use. */
export function remoteTransport(session: SdpSession, dtlsRole: DtlsRole, data: SdpMedia | undefined): RemoteTransport {
  const { ufrag, pwd, fingerprints } = session.transport;
  return {
    ufrag,
    pwd,
    fingerprints,
    dtlsRole,
    sctp: data && {
      port: data.sctpPort,
      // 0 means "any size" (RFC 8841).
      maxMessageSize: data.maxMessageSize === 0 ? Number.MAX_SAFE_INTEGER : data.maxMessageSize,
    },
  };
}
