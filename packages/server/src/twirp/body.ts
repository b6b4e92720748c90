/**
 * Bodies of Twirp calls: protobuf as it is, JSON as twirp-go writes and reads it (livekit.md section 5). Names go out in
 * snake_case with every default; both namings come in and unknown fields are ignored. Hostile bytes give a sentence that
 * says which field is wrong.
 */
import type { AnyMessage, FieldInfo, JsonValue, Message, MessageType } from "@bufbuild/protobuf";
import { BinaryReader } from "@bufbuild/protobuf";
import { TwirpError } from "./errors.ts";

export type BodyFormat = "json" | "protobuf";

type Type = MessageType<AnyMessage>;
type Json = { readonly [name: string]: JsonValue };

const MAX_DETAIL_CHARACTERS = 200;
const STRICT_UTF8 = new TextDecoder("utf-8", { fatal: true });

/** The format that a content type names; parameters such as a charset do not matter. */
export function bodyFormat(contentType: string): BodyFormat | undefined {
  const name = contentType.split(";", 1)[0]!.trim().toLowerCase();
  if (name === "application/json") return "json";
  return name === "application/protobuf" ? "protobuf" : undefined;
}

/** The request in a body. */
export function decodeBody(type: Type, format: BodyFormat, bytes: Uint8Array): AnyMessage | TwirpError {
  try {
    return format === "json" ? decodeJson(type, bytes) : type.fromBinary(bytes, { readerFactory: strictReader });
  } catch (error) {
    const detail = format === "json" ? jsonDetail(error) : protobufDetail(type, bytes);
    return new TwirpError("malformed", `the ${format} request could not be decoded: ${detail}`);
  }
}

/** The body of an answer, with its content type. */
export function encodeBody(message: Message, format: BodyFormat): Response {
  if (format === "protobuf") {
    const headers = { "content-type": "application/protobuf" };
    return new Response(message.toBinary() as Uint8Array<ArrayBuffer>, { headers });
  }
  const json = message.toJson({ useProtoFieldName: true, emitDefaultValues: true });
  return new Response(JSON.stringify(withNulls(message.getType() as Type, json)), {
    headers: { "content-type": "application/json" },
  });
}

/** Text that is not UTF-8 is a mistake, and not some other text. */
function strictReader(bytes: Uint8Array): BinaryReader {
  return new BinaryReader(bytes, STRICT_UTF8);
}

function decodeJson(type: Type, bytes: Uint8Array): AnyMessage {
  const json = JSON.parse(STRICT_UTF8.decode(bytes)) as JsonValue;
  checkEnums(type, json, "");
  return type.fromJson(json, { ignoreUnknownFields: true });
}

/**
 * The library drops names that an enum does not have, as it must from a newer client's unknown fields. In a list that
 * turns "only this source" into "every source", so they are mistakes here.
 */
function checkEnums(type: Type, json: JsonValue, path: string): void {
  if (!isObject(json)) return;
  for (const [key, value] of Object.entries(json)) {
    const field = type.fields.findJsonName(key);
    if (!field || value === null) continue;
    const here = `${path}${field.name}`;
    for (const inner of elements(field, value)) checkEnum(field, inner, here);
  }
}

function checkEnum(field: FieldInfo, value: JsonValue, path: string): void {
  if (field.kind === "message") return checkEnums(field.T as Type, value, `${path}.`);
  if (field.kind !== "enum" || typeof value !== "string") return;
  if (!field.T.findName(value)) throw new Error(`field ${path} cannot be ${JSON.stringify(value)}`);
}

function elements(field: FieldInfo, value: JsonValue): readonly JsonValue[] {
  return field.kind !== "map" && field.repeated && Array.isArray(value) ? value : [value];
}

function jsonDetail(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(/^cannot decode /, "").slice(0, MAX_DETAIL_CHARACTERS);
}

/** Which field the bytes go wrong in: the library does not say. */
function protobufDetail(type: Type, bytes: Uint8Array): string {
  const reader = new BinaryReader(bytes);
  let last = "its first field";
  try {
    while (reader.pos < reader.len) {
      const [number, wireType] = reader.tag();
      const field = type.fields.find(number);
      last = field ? `field ${field.name}` : `the unknown field ${number}`;
      reader.skip(wireType, number);
    }
  } catch {
    return `${last} is cut off or has a wrong wire type`;
  }
  return "the value of a field has a wrong wire type, or is text that is not UTF-8";
}

/** protojson writes null for a message that is not set; clients in Go and others show it so. */
function withNulls(type: Type, json: JsonValue): JsonValue {
  if (!isObject(json) || type.typeName.startsWith("google.protobuf.")) return json;
  const out: Record<string, JsonValue> = {};
  for (const field of type.fields.list()) {
    const value = json[field.name];
    if (field.kind === "message") {
      if (field.repeated && Array.isArray(value)) out[field.name] = value.map((one) => withNulls(field.T as Type, one));
      else if (value !== undefined) out[field.name] = withNulls(field.T as Type, value);
      else if (!field.oneof && !field.opt) out[field.name] = null;
    } else if (value !== undefined) out[field.name] = value;
  }
  return out;
}

function isObject(json: JsonValue): json is Json {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}
