/** SignalRequest.answer: the client's answer to our offer on the subscriber peer; there is none in single mode. */
import type { SessionDescription } from "@livekit/protocol";
import { bindSenders, reportUnsupported } from "../downlinks.ts";
import { fullReconnect } from "../leave.ts";
import { offerNow } from "../negotiate.ts";
import type { Participant } from "../participant.ts";
import type { SubscriberLink } from "../peer-link.ts";
import type { RoomState } from "../state.ts";

/** Applies it; what changed meanwhile is offered next. */
export function handleAnswer(room: RoomState, participant: Participant, answer: SessionDescription): void {
  const link = participant.subscriber;
  if (!link?.machine.offering || isOutdated(link, answer.id)) return;
  room.timers.clear("answerTimeout", participant.sid);
  const result = link.machine.handleAnswer(answer.sdp);
  if ("failure" in result) {
    room.event("negotiationFailed", participant, result.failure);
    fullReconnect(room, participant, `answer: ${result.failure}`);
    return;
  }
  room.media({ type: "setRemote", peer: link.peer, remote: result.remote });
  bindSenders(room, participant, link, result.senders);
  reportUnsupported(room, participant, result.unsupported);
  if (result.renegotiate) offerNow(room, participant);
}

/** Answers an offer that a later one has superseded. Many clients send 0, some any number: only what we gave out counts. */
function isOutdated(link: SubscriberLink, id: number): boolean {
  return id > link.firstOfferId && id < link.offerId;
}
