/** What follows from the claims of a participant's token. */
import { ParticipantInfo_Kind, ParticipantPermission } from "@livekit/protocol";
import type { Claims, Grants } from "./options.ts";

/** Agents and recorders do not keep a room open and do not count as people. */
export function isDependent({ kind, grants }: Claims): boolean {
  const helper = kind === ParticipantInfo_Kind.AGENT || kind === ParticipantInfo_Kind.EGRESS;
  return helper || grants.agent || grants.recorder;
}

/** Its rights as others read them. */
export function permissionOf(grants: Grants): ParticipantPermission {
  return new ParticipantPermission({
    canSubscribe: grants.canSubscribe,
    canPublish: grants.canPublish,
    canPublishData: grants.canPublishData,
    canPublishSources: [...grants.canPublishSources],
    hidden: grants.hidden,
    recorder: grants.recorder,
    canUpdateMetadata: grants.canUpdateOwnMetadata,
    agent: grants.agent,
    canSubscribeMetrics: grants.canSubscribeMetrics,
    canManageAgentSession: grants.canManageAgentSession,
  });
}
