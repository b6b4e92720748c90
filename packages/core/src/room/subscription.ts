/** What a participant wants of one track of somebody else, and what of that is in force; the rules are in `subscriptions.ts`. */
import type { UpdateTrackSettings } from "@livekit/protocol";
import type { DownlinkSettings } from "../engine/specs.ts";

export interface Subscription {
  /** Wanted; undefined while only settings came. An explicit "no" outlasts auto-subscription. */
  desired: boolean | undefined;
  /** The last UpdateTrackSettings; may come before the track does. */
  settings: UpdateTrackSettings | undefined;
  /** The client was told that it has no codec for the track. */
  refused: boolean;
  /** The client was told that the publisher does not allow it. */
  denied: boolean;
  /** The settings that the worker has for it; undefined while the track is not sent. */
  inForce: DownlinkSettings | undefined;
}
