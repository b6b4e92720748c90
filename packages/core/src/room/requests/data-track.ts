/**
 * SignalRequest.publish_data_track_request and unpublish_data_track_request (livekit.md 2.6). Invariant: all that one
 * participant's data tracks are called fits in one update about it.
 */
import {
  DataTrackInfo,
  RequestResponse_Reason,
  type PublishDataTrackRequest,
  type UnpublishDataTrackRequest,
} from "@livekit/protocol";
import { utf8Length } from "@stoa/wire/text";
import { MAX_DATA_HANDLE } from "../data-reception.ts";
import {
  publishDataTrack,
  sendDataTrackPublished,
  sendDataTrackUnpublished,
  unpublishDataTrack,
} from "../data-track.ts";
import type { DataTrackPolicy } from "../options.ts";
import type { Participant } from "../participant.ts";
import { newSid } from "../sid.ts";
import type { RoomState } from "../state.ts";
import { respond, type Outcome } from "./respond.ts";

const MAX_NAME_BYTES = 256;
/** Infos of all data tracks of one participant; every publication repeats them to everybody. LiveKit: as many as there are handles. */
const MAX_INFO_BYTES = 128 * 1024;

const {
  DUPLICATE_HANDLE,
  DUPLICATE_NAME,
  INVALID_HANDLE,
  INVALID_NAME,
  INVALID_REQUEST,
  LIMIT_EXCEEDED,
  NOT_ALLOWED,
  NOT_FOUND,
} = RequestResponse_Reason;

type Mistake = Pick<Outcome, "reason" | "message">;

/** Publishes it, or says why not. */
export function handlePublishDataTrack(
  room: RoomState,
  participant: Participant,
  request: PublishDataTrackRequest,
): void {
  const { pubHandle, name, encryption, frameEncoding, schema } = request;
  const policy = room.options.server.dataTracks;
  const sid = newSid(room.options.random, "DTR_");
  const info = new DataTrackInfo({ pubHandle, sid, name, encryption });
  if (frameEncoding) info.frameEncoding = frameEncoding;
  if (schema) info.schema = schema;
  const infoBytes = info.toBinary().length;
  const mistake = mistakeIn(participant, request, infoBytes, policy);
  if (mistake) {
    respond(room, participant, { ...mistake, request: { case: "publishDataTrack", value: request } });
    return;
  }
  sendDataTrackPublished(room, participant, info);
  publishDataTrack(room, participant, info, infoBytes);
}

/** Ends it. */
export function handleUnpublishDataTrack(
  room: RoomState,
  participant: Participant,
  request: UnpublishDataTrackRequest,
): void {
  const track = participant.dataTracks.get(request.pubHandle);
  if (!track) {
    respond(room, participant, { reason: NOT_FOUND, request: { case: "unpublishDataTrack", value: request } });
    return;
  }
  sendDataTrackUnpublished(room, participant, track.info);
  unpublishDataTrack(room, participant, track);
}

function mistakeIn(
  { grants, dataTracks, dataPublication }: Participant,
  request: PublishDataTrackRequest,
  infoBytes: number,
  policy: DataTrackPolicy | undefined,
): Mistake | undefined {
  const { pubHandle, name } = request;
  if (!policy) return { reason: NOT_ALLOWED, message: "data tracks are not enabled" };
  if (!grants.canPublishData) return { reason: NOT_ALLOWED, message: "does not have permission to publish data" };
  if (pubHandle < 1 || pubHandle > MAX_DATA_HANDLE)
    return { reason: INVALID_HANDLE, message: `a handle is a number from 1 to ${MAX_DATA_HANDLE}` };
  const nameBytes = utf8Length(name);
  if (nameBytes === 0 || nameBytes > MAX_NAME_BYTES)
    return { reason: INVALID_NAME, message: `a name has 1 to ${MAX_NAME_BYTES} bytes` };
  if (!encodingsFit(request, policy))
    return { reason: INVALID_REQUEST, message: "encoding identifier is empty or exceeds the maximum length" };
  if (dataTracks.has(pubHandle))
    return { reason: DUPLICATE_HANDLE, message: "the handle names another data track already" };
  if (dataPublication.names.has(name))
    return { reason: DUPLICATE_NAME, message: "another data track has the name already" };
  if (dataPublication.infoBytes + infoBytes > MAX_INFO_BYTES)
    return { reason: LIMIT_EXCEEDED, message: `exceeds ${MAX_INFO_BYTES} bytes for all data tracks of a participant` };
  return undefined;
}

/** Encodings of the client's own have a name, of bounded length. */
function encodingsFit({ frameEncoding, schema }: PublishDataTrackRequest, { encodingBytes }: DataTrackPolicy): boolean {
  for (const encoding of [frameEncoding?.value, schema?.encoding?.value]) {
    if (encoding?.case !== "custom") continue;
    const bytes = utf8Length(encoding.value);
    if (bytes === 0 || (encodingBytes > 0 && bytes > encodingBytes)) return false;
  }
  return true;
}
