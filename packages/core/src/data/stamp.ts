/**
 * What the server does to a DataPacket before it is relayed (LiveKit's data envelope): the channel decides the kind, the sender's
 * identity cannot be forged, the destinations of the envelope and of the older UserPacket fields are one list.
 */
import { DataPacket, DataPacket_Kind } from "@livekit/protocol";
import type { MemberSpec } from "../engine/specs.ts";

/** Who sent a packet. */
export interface Sender {
  readonly participant: string;
  readonly member: MemberSpec;
}

/** The packet that a participant's bytes stand for, or undefined when they are no DataPacket. */
export function parseDataPacket(bytes: Uint8Array): DataPacket | undefined {
  try {
    return DataPacket.fromBinary(bytes);
  } catch {
    return undefined;
  }
}

/** Stamps `packet` in place; false when it must not be relayed at all. */
export function stampDataPacket(packet: DataPacket, from: Sender, reliable: boolean): boolean {
  const { member } = from;
  const claimed = packet.participantIdentity;
  packet.kind = reliable ? DataPacket_Kind.RELIABLE : DataPacket_Kind.LOSSY;
  packet.participantSid = member.hidden ? "" : from.participant;
  packet.participantIdentity = member.hidden ? "" : member.identity;

  const { value } = packet;
  switch (value.case) {
    case "user": {
      const user = value.value;
      user.participantSid = packet.participantSid;
      user.participantIdentity = packet.participantIdentity;
      if (packet.destinationIdentities.length > 0) user.destinationIdentities = packet.destinationIdentities;
      else packet.destinationIdentities = user.destinationIdentities;
      return true;
    }
    case "chatMessage":
      if (speaksForAnother(member, claimed)) {
        value.value.generated = true;
        packet.participantIdentity = claimed;
      }
      return true;
    case "streamHeader":
      // An agent writes transcriptions on behalf of the person who spoke.
      if (speaksForAnother(member, claimed) && value.value.contentHeader.case === "textHeader") {
        value.value.contentHeader.value.generated = true;
        packet.participantIdentity = claimed;
      }
      return true;
    case "transcription":
      return member.agent;
    case "speaker":
    case "metrics":
      return false;
    default:
      // RPC, streams, DTMF, encrypted packets and whatever a newer client invents are opaque to the server.
      return true;
  }
}

function speaksForAnother(member: MemberSpec, claimed: string): boolean {
  return member.agent && claimed !== "" && claimed !== member.identity;
}
