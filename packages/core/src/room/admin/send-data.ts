/**
 * RoomService.SendData: a message of the server to everybody, or to those that are named by identity or SID. It has no
 * sender. Invariant: a call that is repeated with the same nonce is delivered once.
 */
import { DataPacket, DataPacket_Kind, UserPacket, type SendDataRequest } from "@livekit/protocol";
import { NONCE_BYTES } from "../../data/nonces.ts";
import { Refusal, type Action } from "./action.ts";

/** Names that nobody has reach nobody. */
export function sendData(request: SendDataRequest): Action<true> {
  const { nonce, kind, topic, destinationIdentities, destinationSids } = request;
  return (room) => {
    if (nonce.length !== 0 && nonce.length !== NONCE_BYTES) {
      const msg = `nonce should be 16-bytes or not present, got: ${nonce.length} bytes`;
      return new Refusal("invalid_argument", msg, "nonce");
    }
    if (!room.nonces.isNew(nonce)) return true;
    const named = destinationIdentities.length + destinationSids.length > 0;
    const to = new Set(destinationSids.filter((sid) => room.participants.has(sid)));
    for (const identity of destinationIdentities) {
      const participant = room.identities.get(identity);
      if (participant) to.add(participant.sid);
    }
    if (named && to.size === 0) return true;
    const user = new UserPacket({ payload: request.data, destinationIdentities, destinationSids, nonce });
    if (topic !== undefined) user.topic = topic;
    const packet = new DataPacket({ kind, destinationIdentities, value: { case: "user", value: user } });
    room.media({
      type: "sendData",
      room: room.options.sid,
      to: named ? [...to] : undefined,
      reliable: kind === DataPacket_Kind.RELIABLE,
      packet: packet.toBinary(),
    });
    return true;
  };
}
