/**
 * Frames to messages and back (livekit.md 1.4): protobuf in binary frames, proto3 JSON in text frames. A message that goes
 * to many sockets is encoded once per format: the bytes are remembered by the identity of the message object. So are those
 * of each participant's info, of which a join to a room of 1,000 carries 1,000. Invariant: neither changes once it was sent.
 */
import { SignalRequest, type ParticipantInfo, type SignalResponse } from "@livekit/protocol";

/** What a socket speaks at the moment. */
export type FrameFormat = "binary" | "json";

interface Encoded {
  binary?: Uint8Array;
  json?: string;
}

const encoded = new WeakMap<SignalResponse, Encoded>();

/** One frame's payload; the message must not change afterwards. */
export function encodeResponse(message: SignalResponse, format: FrameFormat): Uint8Array | string {
  let known = encoded.get(message);
  if (!known) encoded.set(message, (known = {}));
  if (format === "json") return (known.json ??= message.toJsonString());
  return (known.binary ??= toBinary(message));
}

function toBinary(response: SignalResponse): Uint8Array {
  const { message } = response;
  if (message.case === "join") message.value.otherParticipants.forEach(rememberBytes);
  if (message.case === "update") message.value.participants.forEach(rememberBytes);
  return response.toBinary();
}

/** The library writes a message inside of another one by asking it for its bytes: from now on it has them ready. */
function rememberBytes(info: ParticipantInfo): void {
  if (Object.hasOwn(info, "toBinary")) return;
  const bytes = info.toBinary();
  Object.defineProperty(info, "toBinary", { value: () => bytes });
}

/** The request in one frame; undefined when the client sent something else. */
export function decodeRequest(data: Uint8Array, format: FrameFormat): SignalRequest | undefined {
  try {
    if (format === "binary") return SignalRequest.fromBinary(data);
    const text = new TextDecoder().decode(data);
    return SignalRequest.fromJsonString(text, { ignoreUnknownFields: true });
  } catch {
    return undefined;
  }
}

/** A Leave: nothing of the client counts after it. */
export function isLeave(frame: { readonly data: Uint8Array; readonly format: FrameFormat }): boolean {
  return shortCase(frame) === "leave";
}

/** A ping: the client gives the connection up when it is not answered in time. */
export function isKeepAlive(frame: { readonly data: Uint8Array; readonly format: FrameFormat }): boolean {
  const kind = shortCase(frame);
  return kind === "ping" || kind === "pingReq";
}

/** First bytes of leave, ping and ping_req: their tags. */
const SHORT_TAGS: ReadonlySet<number> = new Set([0x42, 0x70, 0x82]);
const MAX_SHORT_BYTES = 160;
const SHORT_JSON = /^\s*\{\s*"(?:leave|ping)/;

/** What a message is, if it is short and likely to be one of those; looked at before anything is decoded. */
function shortCase({
  data,
  format,
}: {
  readonly data: Uint8Array;
  readonly format: FrameFormat;
}): SignalRequest["message"]["case"] {
  if (data.length === 0 || data.length > MAX_SHORT_BYTES) return undefined;
  const likely = format === "binary" ? SHORT_TAGS.has(data[0]!) : SHORT_JSON.test(new TextDecoder().decode(data));
  return likely ? decodeRequest(data, format)?.message.case : undefined;
}
