/**
 * SignalRequest.store_data_blob_request and get_data_blob_request (livekit.md 2.7): a participant leaves bytes under a key, for as long as it is
 * in the room, and whoever knows its identity and the key may fetch them. Invariant: keys and contents of one participant stay within its limit.
 */
import {
  GetDataBlobResponse,
  RequestResponse_Reason,
  StoreDataBlobResponse,
  type DataBlob,
  type DataBlobKey,
  type GetDataBlobRequest,
  type StoreDataBlobRequest,
} from "@livekit/protocol";
import { utf8Length } from "@stoa/wire/text";
import type { DataBlobPolicy } from "../options.ts";
import type { Participant } from "../participant.ts";
import type { RoomState } from "../state.ts";
import { respond } from "./respond.ts";

const { INVALID_REQUEST, LIMIT_EXCEEDED, NOT_ALLOWED, NOT_FOUND } = RequestResponse_Reason;

/** Keeps it, in the place of an older one under the same key. */
export function handleStoreDataBlob(
  room: RoomState,
  participant: Participant,
  { requestId, blob }: StoreDataBlobRequest,
): void {
  const refuse = (reason: RequestResponse_Reason, message: string) =>
    respond(room, participant, { reason, message, requestId, request: { case: undefined } });
  const policy = room.options.server.dataBlobs;
  if (!policy) return refuse(NOT_ALLOWED, "data blobs are not enabled");
  if (!participant.grants.canPublishData) return refuse(NOT_ALLOWED, "does not have permission to publish data");
  if (!blob?.key) return refuse(INVALID_REQUEST, "data blob has no key");
  const mistake = mistakeIn(blob.key, policy) ?? (blob.contents.length === 0 ? "data blob is empty" : undefined);
  if (mistake) return refuse(INVALID_REQUEST, mistake);
  const name = nameOf(blob.key);
  const former = participant.dataBlobs.get(name);
  const total = participant.dataBlobBytes + sizeOf(blob) - (former ? sizeOf(former) : 0);
  if (policy.totalBytes > 0 && total > policy.totalBytes)
    return refuse(
      LIMIT_EXCEEDED,
      `exceeds the limit of ${policy.totalBytes} bytes for all data blobs of a participant`,
    );
  participant.dataBlobs.set(name, blob);
  participant.dataBlobBytes = total;
  room.send(participant, {
    case: "storeDataBlobResponse",
    value: new StoreDataBlobResponse({ requestId, key: blob.key }),
  });
}

/** Hands it out, also to its owner. */
export function handleGetDataBlob(room: RoomState, participant: Participant, request: GetDataBlobRequest): void {
  const { requestId, participantIdentity, key } = request;
  const refuse = (reason: RequestResponse_Reason, message: string) =>
    respond(room, participant, { reason, message, requestId, request: { case: undefined } });
  if (!key) return refuse(INVALID_REQUEST, "data blob key is required");
  const owner = room.identities.get(participantIdentity);
  // Who is hidden is not there for others.
  if (!owner || (owner.hidden && owner !== participant)) return refuse(NOT_FOUND, "participant not found");
  const blob = owner.dataBlobs.get(nameOf(key));
  if (!blob) return refuse(NOT_FOUND, "data blob not found");
  room.send(participant, { case: "getDataBlobResponse", value: new GetDataBlobResponse({ requestId, blob }) });
}

function mistakeIn(key: DataBlobKey, { keyBytes, encodingBytes }: DataBlobPolicy): string | undefined {
  const size = keySize(key);
  if (size === 0) return "data blob has no key";
  if (keyBytes > 0 && size > keyBytes) return `data blob key exceeds ${keyBytes} bytes`;
  const encoding = key.key.case === "schemaId" ? key.key.value.encoding?.value : undefined;
  if (encoding?.case !== "custom") return undefined;
  const length = utf8Length(encoding.value);
  if (length > 0 && (encodingBytes === 0 || length <= encodingBytes)) return undefined;
  return "encoding identifier is empty or exceeds the maximum length";
}

/** What is the same for equal keys only. */
function nameOf(key: DataBlobKey): string {
  return key.toJsonString();
}

function sizeOf({ key, contents }: DataBlob): number {
  return (key ? keySize(key) : 0) + contents.length;
}

/** Bytes of what the client chose. */
function keySize({ key }: DataBlobKey): number {
  if (key.case === "generic") return utf8Length(key.value);
  if (key.case !== "schemaId") return 0;
  const { name, encoding } = key.value;
  return utf8Length(name) + (encoding?.value.case === "custom" ? utf8Length(encoding.value.value) : 0);
}
