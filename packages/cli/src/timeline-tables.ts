/** Timelines as people read them; docs/3-reference/timeline.md has the fields. */
import type { JsonMessage } from "./api-client.ts";
import { listOf, numberOf, textOf } from "./room-command.ts";
import { printable, table } from "./table.ts";

/** The server keeps no longer sentence. */
const MAX_SENTENCE_CHARACTERS = 320;

/** One line per stay in the room. */
export function sessionTable(sessions: readonly JsonMessage[]): string {
  if (sessions.length === 0) return "nobody is or was there of late";
  const rows = sessions.map((session) => {
    const connection = (session["connection"] ?? {}) as JsonMessage;
    const [rttMs, estimateBps] = [numberOf(connection, "rttMs"), numberOf(connection, "estimateBps")];
    return [
      textOf(session, "identity"),
      textOf(session, "sid"),
      textOf(session, "joinedAt"),
      textOf(session, "leftAt") || "is there",
      textOf(session, "leftReason"),
      rttMs > 0 ? `${rttMs} ms` : "",
      estimateBps > 0 ? `${Math.round(estimateBps / 1000)} kbit/s` : "",
    ];
  });
  return table(["Identity", "Participant ID", "Joined", "Left", "Reason", "Round trip", "Link"], rows);
}

/** All that happened during one stay. */
export function timelineText(session: JsonMessage): string {
  const entries = listOf(session, "entries");
  const rows = entries.map((entry) => {
    const times = numberOf(entry, "times");
    const again = times > 1 ? ` (${times} times, last at ${textOf(entry, "lastAt").slice(11)})` : "";
    return [textOf(entry, "at"), textOf(entry, "kind"), textOf(entry, "text") + again];
  });
  const forgotten = numberOf(session, "forgottenEntries");
  const gap = forgotten > 0 ? `\n(${forgotten} entries from the middle are forgotten)` : "";
  const who = `${printable(textOf(session, "identity"))} (${textOf(session, "sid")})`;
  return `${who}\n${table(["At", "Kind", "What"], rows, MAX_SENTENCE_CHARACTERS)}${gap}`;
}
