/**
 * Our ICE candidates as trickle messages (livekit.md 1.9). They stand in the SDP as well; the messages are for clients
 * that wait for the final one. The Rust SDK demands the three fields of the JSON, sdpMid as a string.
 */
import { TrickleRequest } from "@livekit/protocol";
import { writeCandidates } from "@stoa/wire/sdp/candidate";
import type { CandidateSection } from "../negotiation/types.ts";
import type { Participant } from "./participant.ts";
import type { PeerLink } from "./peer-link.ts";
import type { RoomState } from "./state.ts";
import { localTransport } from "./way.ts";

/** Sends them once per peer, after its first description. */
export function sendCandidates(
  room: RoomState,
  participant: Participant,
  link: PeerLink,
  section: CandidateSection,
): void {
  if (link.trickled) return;
  link.trickled = true;
  const candidates = writeCandidates(localTransport(room.options.media, participant.way).candidates);
  candidates.forEach((candidate, i) => {
    const candidateInit = JSON.stringify({ candidate, ...section });
    const final = i === candidates.length - 1;
    room.send(participant, {
      case: "trickle",
      value: new TrickleRequest({ candidateInit, target: link.target, final }),
    });
  });
}
