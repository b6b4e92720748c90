/**
 * Egress, Ingress and SIP without their workers: the answers that LiveKit gives when none is connected, so that programs
 * behave as they would there. Grants are checked all the same.
 */
import type { Service } from "./handler.ts";
import { TwirpError } from "./errors.ts";

const noWorker = () => new TwirpError("unavailable", "no response from servers");
const notConnected = (service: string) => () => new TwirpError("internal", `${service} not connected (redis required)`);
const noEgress = notConnected("egress");
const noIngress = notConnected("ingress");
const noSip = notConnected("sip");

export const ABSENT_EGRESS: Service<"livekit.Egress"> = {
  StartEgress: noWorker,
  StartRoomCompositeEgress: noWorker,
  StartWebEgress: noWorker,
  StartParticipantEgress: noWorker,
  StartTrackCompositeEgress: noWorker,
  StartTrackEgress: noWorker,
  UpdateLayout: noEgress,
  UpdateStream: noEgress,
  ListEgress: noEgress,
  StopEgress: noEgress,
};

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
