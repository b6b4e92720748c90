/** The `limit` section in the words of those who keep to it. A reload changes it: what is said here holds for the moment. */
import type { DataBlobPolicy, DataTrackPolicy, RoomLimits } from "@stoa/core/room/options";
import type { Config } from "./schema.ts";

/** How long names may be, and how much may be said or received; 0 = no limit. */
export interface Limits extends RoomLimits {
  readonly identityBytes: number;
  readonly roomNameBytes: number;
}

/** What rooms, the door and the API hold everybody to. */
export function limitsOf({ limit }: Pick<Config, "limit">): Limits {
  return {
    identityBytes: limit.max_participant_identity_length,
    roomNameBytes: limit.max_room_name_length,
    nameBytes: limit.max_participant_name_length,
    metadataBytes: limit.max_metadata_size,
    attributesBytes: limit.max_attributes_size,
    videoSubscriptions: limit.subscription_limit_video,
    audioSubscriptions: limit.subscription_limit_audio,
  };
}

/** Undefined = switched off. */
export function dataBlobPolicy({ enable_participant_data_blob, limit }: Config): DataBlobPolicy | undefined {
  if (!enable_participant_data_blob) return undefined;
  return {
    keyBytes: limit.max_data_blob_key_length,
    encodingBytes: limit.max_data_track_custom_encoding_length,
    totalBytes: limit.max_data_blobs_size,
  };
}

/** Undefined = switched off. */
export function dataTrackPolicy({ enable_data_tracks, limit }: Config): DataTrackPolicy | undefined {
  return enable_data_tracks ? { encodingBytes: limit.max_data_track_custom_encoding_length } : undefined;
}
