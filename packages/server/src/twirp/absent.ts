/**
 * Egress, Ingress and SIP without their workers: the answers that LiveKit gives when none is connected, so that programs
 * behave as they would there. Grants are checked all the same.
 */
import { noRoom, type ApiContext } from "./context.ts";
import { TwirpError } from "./errors.ts";
import type { Service } from "./handler.ts";

const noWorker = () => new TwirpError("unavailable", "no response from servers");
const notConnected = (service: string) => () => new TwirpError("internal", `${service} not connected (redis required)`);
const noEgress = notConnected("egress");
const noIngress = notConnected("ingress");
const noSip = notConnected("sip");

/** A room that is named has to be open; of a page on the web nothing is asked. */
export function absentEgress({ registry }: ApiContext): Service<"livekit.Egress"> {
  const start = ({ roomName }: { readonly roomName: string }) =>
    roomName === "" || registry.find(roomName) ? noWorker() : noRoom();
  return {
    StartEgress: start,
    StartRoomCompositeEgress: start,
    StartWebEgress: noWorker,
    StartParticipantEgress: start,
    StartTrackCompositeEgress: start,
    StartTrackEgress: start,
    UpdateLayout: noEgress,
    UpdateStream: noEgress,
    ListEgress: noEgress,
    StopEgress: noEgress,
  };
}

export const ABSENT_INGRESS: Service<"livekit.Ingress"> = {
  CreateIngress: noIngress,
  UpdateIngress: noIngress,
  ListIngress: noIngress,
  DeleteIngress: noIngress,
};

export const ABSENT_SIP: Service<"livekit.SIP"> = {
  ListSIPTrunk: noSip,
  CreateSIPInboundTrunk: noSip,
  CreateSIPOutboundTrunk: noSip,
  UpdateSIPInboundTrunk: noSip,
  UpdateSIPOutboundTrunk: noSip,
  GetSIPInboundTrunk: noSip,
  GetSIPOutboundTrunk: noSip,
  ListSIPInboundTrunk: noSip,
  ListSIPOutboundTrunk: noSip,
  DeleteSIPTrunk: noSip,
  CreateSIPDispatchRule: noSip,
  UpdateSIPDispatchRule: noSip,
  ListSIPDispatchRule: noSip,
  DeleteSIPDispatchRule: noSip,
  CreateSIPParticipant: noSip,
  TransferSIPParticipant: noSip,
};
