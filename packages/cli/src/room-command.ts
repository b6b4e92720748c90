/** What the commands of `stoa room` share: the server that they talk to, and how their answers are printed. */
import type { VideoGrant } from "@stoa/server";
import { Command, InvalidArgumentError } from "commander";
import { ApiFailure, callRoomService, readFromStoa, type Json, type JsonMessage } from "./api-client.ts";
import { addConnectionOptions, connectionOf, type ConnectionFlags } from "./connection.ts";

/** Calls a method; a failure ends the command with its sentence. */
export type CallApi = (method: string, grant: VideoGrant, request: JsonMessage) => Promise<JsonMessage>;

/** Reads a path that only Stoa has; a failure ends the command with its sentence. */
export type ReadPath = (path: string, grant: VideoGrant) => Promise<JsonMessage>;

/** What a command found out: JSON for programs, text for people. */
export interface Outcome {
  readonly json: Json;
  readonly text: string;
}

/** A command that calls a server. */
export function roomCommand(name: string, description: string): Command {
  return addConnectionOptions(new Command(name).description(description));
}

/** Adds the flags of a command about one participant. */
export function forParticipant(command: Command): Command {
  return command
    .requiredOption("-r, --room <room>", "name of the room")
    .requiredOption("-i, --identity <id>", "identity of the participant");
}

/** Runs the body of a command and prints what it found out. */
export async function run(command: Command, body: (call: CallApi, read: ReadPath) => Promise<Outcome>): Promise<void> {
  const flags = command.opts<ConnectionFlags & { json?: true }>();
  const connection = connectionOf(flags, process.env);
  if (typeof connection === "string") return command.error(connection);
  const orEnd = (answer: JsonMessage | ApiFailure): JsonMessage =>
    answer instanceof ApiFailure ? command.error(answer.message) : answer;
  const { json, text } = await body(
    async (method, grant, request) => orEnd(await callRoomService(connection, method, grant, request)),
    async (path, grant) => orEnd(await readFromStoa(connection, path, grant)),
  );
  process.stdout.write(`${flags.json ? JSON.stringify(json, undefined, 2) : text}\n`);
}

/** The value of a flag that is a whole number. */
export function wholeNumber(value: string): number {
  const number = Number(value);
  if (!/^\d+$/.test(value) || !Number.isSafeInteger(number))
    throw new InvalidArgumentError("It is not a whole number.");
  return number;
}

/** Collects the values of a flag that may be repeated. */
export function repeated(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value];
}

/** A list of messages in an answer. */
export function listOf(message: JsonMessage, field: string): readonly JsonMessage[] {
  const list = message[field];
  return Array.isArray(list) ? (list as JsonMessage[]) : [];
}

/** A field as text. */
export function textOf(message: JsonMessage, field: string): string {
  const value = message[field];
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}

/** A number; 64-bit ones come as text. */
export function numberOf(message: JsonMessage, field: string): number {
  return Number(message[field] ?? 0);
}

/** Seconds since 1970 as people read them. */
export function timeOf(message: JsonMessage, field: string): string {
  const seconds = numberOf(message, field);
  return seconds > 0 ? new Date(seconds * 1000).toISOString().replace(".000Z", "Z") : "";
}
