/** RoomService.UpdateSubscriptions. */
import { UpdateSubscriptionsResponse, type UpdateSubscriptionsRequest } from "@livekit/protocol";
import { updateSubscriptions as update } from "@stoa/core/room/admin/update-subscriptions";
import { answerFrom, type ApiContext } from "../context.ts";

export function updateSubscriptions(context: ApiContext, request: UpdateSubscriptionsRequest) {
  return answerFrom(context, request.room, update(request), () => new UpdateSubscriptionsResponse());
}
