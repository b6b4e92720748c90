/** SignalRequest.offer: the client's description of its publisher peer, or of the only one (livekit.md 1.17). */
import { SessionDescription } from "@livekit/protocol";
import { sendCandidates } from "../candidates.ts";
import { bindSenders, downTracks, reportUnsupported } from "../downlinks.ts";
import { fullReconnect } from "../leave.ts";
import { openLink, restartLink } from "../links.ts";
import { requireSections } from "../negotiate.ts";
import type { Participant } from "../participant.ts";
import { applyPublications, publicationsOf } from "../publish.ts";
import type { RoomState } from "../state.ts";
import { setReceivers } from "../track-facts.ts";

/** Answers; the worker is told first. */
export function handleOffer(room: RoomState, participant: Participant, offer: SessionDescription): void {
  const link = participant.publisher;
  if (!link) return;
  if (participant.singlePeer) link.machine.setDownTracks(downTracks(room, participant));
  const result = link.machine.handleOffer(offer.sdp, publicationsOf(participant));
  if ("failure" in result) {
    room.event("negotiationFailed", participant, result.failure);
    fullReconnect(room, participant, `offer: ${result.failure}`);
    return;
  }
  openLink(room, participant, link);
  if (result.iceRestart) restartLink(room, participant, link, result.iceRestart);
  room.media({ type: "setRemote", peer: link.peer, remote: result.remote });
  setReceivers(room, participant, link, result.receivers);
  if (participant.singlePeer) bindSenders(room, participant, link, result.senders);

  const { answer: sdp, midToTrackId } = result;
  const answer = new SessionDescription({ type: "answer", sdp, id: offer.id, midToTrackId });
  room.send(participant, { case: "answer", value: answer });
  sendCandidates(room, participant, link, result.candidateSection);
  applyPublications(room, participant, result);
  reportUnsupported(room, participant, result.unsupported);
  if (participant.singlePeer) requireSections(room, participant);
}
