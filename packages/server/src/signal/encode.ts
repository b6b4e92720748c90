/**
 * Frames to messages and back (livekit.md 1.4): protobuf in binary frames, proto3 JSON in text frames. A message that goes
 * to many sockets is encoded once per format: the bytes are remembered by the identity of the message object.
 */
import { SignalRequest, type SignalResponse } from "@livekit/protocol";

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
  return (known.binary ??= message.toBinary());
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
