/** RoomService.SendData. */
import { SendDataResponse, type SendDataRequest } from "@livekit/protocol";
import { sendData as send } from "@stoa/core/room/admin/send-data";
import { answerFrom, type ApiContext } from "../context.ts";

export function sendData(context: ApiContext, request: SendDataRequest) {
  return answerFrom(context, request.room, send(request), () => new SendDataResponse());
}
