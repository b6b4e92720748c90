/** Between the tri-state video grant of a token and the permissions that a room works with (livekit.md 4.3). */
import type { Grants } from "@stoa/core/room/options";
import { sourceFromClaim, sourceToClaim, type VideoGrant } from "./claims.ts";

/** What an unset grant stands for, filled in. */
export function resolveGrants(video: VideoGrant): Grants {
  const canPublish = video.canPublish ?? true;
  return {
    canSubscribe: video.canSubscribe ?? true,
    canPublish,
    canPublishData: video.canPublishData ?? canPublish,
    canPublishSources: (video.canPublishSources ?? []).map(sourceFromClaim),
    hidden: video.hidden ?? false,
    recorder: video.recorder ?? false,
    agent: video.agent ?? false,
    canUpdateOwnMetadata: video.canUpdateOwnMetadata ?? false,
    canSubscribeMetrics: video.canSubscribeMetrics ?? false,
    canManageAgentSession: video.canManageAgentSession ?? false,
  };
}

/** The grant of a refreshed token: what the first one said, with today's permissions. */
export function videoGrantOf(original: VideoGrant, grants: Grants): VideoGrant {
  return {
    ...original,
    canSubscribe: grants.canSubscribe,
    canPublish: grants.canPublish,
    canPublishData: grants.canPublishData,
    canPublishSources: grants.canPublishSources.length > 0 ? grants.canPublishSources.map(sourceToClaim) : undefined,
    canUpdateOwnMetadata: grants.canUpdateOwnMetadata,
    hidden: grants.hidden || undefined,
    recorder: grants.recorder || undefined,
    agent: grants.agent || undefined,
    canSubscribeMetrics: grants.canSubscribeMetrics || undefined,
    canManageAgentSession: grants.canManageAgentSession || undefined,
  };
}
