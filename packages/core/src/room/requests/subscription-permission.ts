/** SignalRequest.subscription_permission: a publisher says who may receive which of its tracks (livekit.md 1.14). */
import type { SubscriptionPermission } from "@livekit/protocol";
import { reconsiderDataOf } from "../data-subscriptions.ts";
import { tellForwards } from "../forwards.ts";
import type { Participant } from "../participant.ts";
import { readTrackPermissions } from "../permissions.ts";
import type { RoomState } from "../state.ts";
import { reconsiderEverybody } from "../subscriptions.ts";

/** Replaces what was allowed before; tracks stop and start for those whom it concerns. */
export function handleSubscriptionPermission(
  room: RoomState,
  publisher: Participant,
  message: SubscriptionPermission,
): void {
  const permissions = readTrackPermissions(room, message);
  if (permissions === "invalid") return;
  publisher.trackPermissions = permissions;
  for (const track of publisher.tracks.values()) reconsiderEverybody(room, track);
  reconsiderDataOf(room, publisher);
  tellForwards(room, publisher);
}
