/** What a member of a `RoomWorld` says when it comes: who it is, and how it connects. */
import { ClientInfo, ClientInfo_SDK, ParticipantInfo_Kind } from "@livekit/protocol";
import type { Claims, JoinInput } from "@stoa/core/room/options";

const CLAIMS: Omit<Claims, "identity"> = {
  name: "",
  metadata: "",
  attributes: {},
  kind: ParticipantInfo_Kind.STANDARD,
  kindDetails: [],
  grants: {
    canSubscribe: true,
    canPublish: true,
    canPublishData: true,
    canPublishSources: [],
    hidden: false,
    recorder: false,
    agent: false,
    canUpdateOwnMetadata: true,
    canSubscribeMetrics: false,
    canManageAgentSession: false,
  },
};

/** All but the connection and what goes with it. */
export function joinInput(
  identity: string,
  peerConnections: "single" | "dual",
): Pick<JoinInput, "claims" | "client" | "options" | "addTracks"> {
  return {
    claims: { ...CLAIMS, identity },
    client: new ClientInfo({ sdk: ClientInfo_SDK.JS, version: "2.23.0", protocol: 17 }),
    options: {
      peerConnections,
      autoSubscribe: true,
      autoSubscribeDataTrack: false,
      adaptiveStream: false,
      subscriberAllowPause: undefined,
    },
    addTracks: [],
  };
}
