/** The token of a connected client, signed anew: what the first one said, with its claims of today (livekit.md 1.6). */
import type { Claims } from "@stoa/core/room/options";
import { kindDetailToClaim, kindToClaim } from "../auth/claims.ts";
import { refreshToken, type KeyPair } from "../auth/create.ts";
import { videoGrantOf } from "../auth/grants.ts";
import type { ConnectRequest } from "../signal/connect-request.ts";

/** `request`: what the client joined with; `room`: the room that the token is for. */
export function signRefreshed(
  signer: KeyPair,
  request: ConnectRequest,
  claims: Claims,
  room: string,
  nowMs: number,
): Promise<string> {
  const { grants, video, tokenExpiresAtMs } = request;
  return refreshToken(
    signer,
    {
      identity: claims.identity,
      name: claims.name,
      kind: kindToClaim(claims.kind),
      kindDetails: claims.kindDetails.length > 0 ? claims.kindDetails.map(kindDetailToClaim) : undefined,
      metadata: claims.metadata,
      attributes: claims.attributes,
      video: { ...videoGrantOf(video, claims.grants), room },
      roomConfig: grants.roomConfig,
      roomPreset: grants.roomPreset,
    },
    tokenExpiresAtMs,
    nowMs,
  );
}
