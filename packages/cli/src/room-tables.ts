/** Rooms and participants as tables. */
import type { JsonMessage } from "./api-client.ts";
import { listOf, numberOf, textOf, timeOf } from "./room-command.ts";
import { table } from "./table.ts";

/** One line per room. */
export function roomTable(rooms: readonly JsonMessage[]): string {
  if (rooms.length === 0) return "no rooms";
  const rows = rooms.map((room) => [
    textOf(room, "name"),
    textOf(room, "sid"),
    numberOf(room, "num_participants"),
    numberOf(room, "num_publishers"),
    timeOf(room, "creation_time"),
    textOf(room, "metadata"),
  ]);
  return table(["Name", "Room ID", "Participants", "Publishers", "Created", "Metadata"], rows);
}

/** One line per participant. */
export function participantTable(participants: readonly JsonMessage[]): string {
  if (participants.length === 0) return "no participants";
  const rows = participants.map((participant) => [
    textOf(participant, "identity"),
    textOf(participant, "name"),
    textOf(participant, "kind").toLowerCase(),
    textOf(participant, "state").toLowerCase(),
    timeOf(participant, "joined_at"),
    listOf(participant, "tracks").map(trackWord).join(", "),
  ]);
  return table(["Identity", "Name", "Kind", "State", "Joined", "Tracks"], rows);
}

/** Everything about one of them that people ask for. */
export function participantText(participant: JsonMessage): string {
  const permission = (participant["permission"] ?? {}) as JsonMessage;
  const attributes = (participant["attributes"] ?? {}) as JsonMessage;
  const granted = Object.entries(permission).filter(([, value]) => value === true);
  const tracks = listOf(participant, "tracks").map((track) => [
    textOf(track, "sid"),
    textOf(track, "source").toLowerCase(),
    textOf(track, "mime_type"),
    track["muted"] === true ? "muted" : "",
    textOf(track, "name"),
  ]);
  const facts = table(
    ["Identity", textOf(participant, "identity")],
    [
      ["Participant ID", textOf(participant, "sid")],
      ["Name", textOf(participant, "name")],
      ["State", textOf(participant, "state").toLowerCase()],
      ["Joined", timeOf(participant, "joined_at")],
      ["Metadata", textOf(participant, "metadata")],
      ["Permissions", granted.map(([name]) => name).join(" ")],
      ...Object.entries(attributes).map(([name, value]) => [
        `Attribute ${name}`,
        typeof value === "string" ? value : "",
      ]),
    ],
  );
  return tracks.length === 0 ? facts : `${facts}\n\n${table(["Track ID", "Source", "Codec", "", "Name"], tracks)}`;
}

function trackWord(track: JsonMessage): string {
  const source = textOf(track, "source").toLowerCase() || textOf(track, "type").toLowerCase();
  return track["muted"] === true ? `${source} (muted)` : source;
}
