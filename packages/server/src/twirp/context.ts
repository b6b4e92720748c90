/** What the methods of the API work on, and the short way from a room's refusal to a Twirp error. */
import { Refusal, type Action } from "@stoa/core/room/admin/action";
import type { Config } from "../config/schema.ts";
import type { RoomRegistry } from "../rooms/registry.ts";
import { TwirpError, invalidArgument } from "./errors.ts";

/** Given to every method. */
export interface ApiContext {
  readonly registry: RoomRegistry;
  readonly config: Config;
}

/** Has an open room do something. */
export function inRoom<Answer>({ registry }: ApiContext, room: string, action: Action<Answer>): Answer | TwirpError {
  const runner = registry.find(room);
  if (!runner) return noRoom();
  const result = runner.act(action);
  return result instanceof Refusal ? refused(result) : result;
}

/** The same, as the answer of a method: `answer` makes the message. */
export function answerFrom<Answer, Out>(
  context: ApiContext,
  room: string,
  action: Action<Answer>,
  answer: (value: Answer) => Out,
): Out | TwirpError {
  const result = inRoom(context, room, action);
  return result instanceof TwirpError ? result : answer(result);
}

/** There is no open room of that name. */
export function noRoom(): TwirpError {
  return new TwirpError("not_found", "requested room does not exist");
}

/** A refusal of a room in the words of Twirp. */
export function refused({ code, message, field }: Refusal): TwirpError {
  return new TwirpError(code, message, field === "" ? {} : { argument: field });
}

/** Why this text cannot be the value of a field; 0 is no limit. */
export function tooLong(field: string, text: string, limitBytes: number, msg: string): TwirpError | undefined {
  if (limitBytes === 0 || Buffer.byteLength(text) <= limitBytes) return undefined;
  return invalidArgument(field, `${msg}: max length ${limitBytes}`);
}

/** Why these attributes are too large, or undefined. */
export function attributesTooLarge(
  field: string,
  attributes: Readonly<Record<string, string>>,
  limitBytes: number,
): TwirpError | undefined {
  const entries = Object.entries(attributes);
  const bytes = entries.reduce((sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value), 0);
  if (limitBytes === 0 || bytes <= limitBytes) return undefined;
  return invalidArgument(field, `attribute size exceeds limits: max length ${limitBytes}`);
}
