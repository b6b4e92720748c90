/** The token with which an agent enters the room of its job. */
import { TrackSource, type AvailabilityResponse, type Job, type ParticipantPermission } from "@livekit/protocol";
import { createToken, type KeyPair } from "../auth/create.ts";
import { sourceToClaim } from "../auth/claims.ts";

const VALID_FOR_MS = 3_600_000;
const MAX_IDENTITY_BYTES = 256;

/** Signs it: the identity as the worker chose it, the rights as it registered them (livekit.md 8). */
export function agentToken(
  pair: KeyPair,
  job: Job,
  answer: AvailabilityResponse,
  permissions: ParticipantPermission,
  nowMs: number,
): Promise<string> {
  const identity = answer.participantIdentity.slice(0, MAX_IDENTITY_BYTES) || `agent-${job.id}`;
  const sources = permissions.canPublishSources.filter((source) => source !== TrackSource.UNKNOWN);
  return createToken(
    pair,
    {
      identity,
      name: answer.participantName,
      metadata: answer.participantMetadata,
      attributes: { ...answer.participantAttributes, "lk.agent_name": job.agentName },
      kind: "agent",
      video: {
        roomJoin: true,
        agent: true,
        room: job.room?.name ?? "",
        canSubscribe: permissions.canSubscribe,
        canPublish: permissions.canPublish,
        canPublishData: permissions.canPublishData,
        canPublishSources: sources.length > 0 ? sources.map(sourceToClaim) : undefined,
        canUpdateOwnMetadata: permissions.canUpdateMetadata,
        canSubscribeMetrics: permissions.canSubscribeMetrics,
        hidden: permissions.hidden || undefined,
      },
      validForMs: VALID_FOR_MS,
    },
    nowMs,
  );
}
