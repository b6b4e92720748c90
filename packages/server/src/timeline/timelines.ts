/**
 * What happened to each participant, in words, in bounded memory: the first entries of a session and the last ones, for
 * everybody who is in a room and, for a while, for those who left. Pure: time comes in with the entries.
 * Invariants: a session never holds more than `FIRST + LAST` entries; what departed is forgotten by age and by number.
 */

/** Entries kept from the start of a session: the join, the transports. */
const FIRST = 32;
/** Entries kept from its end. */
const LAST = 96;
/** How long those who left stay readable, and how many of them at most. */
const DEPARTED_FOR_MS = 15 * 60_000;
const MAX_DEPARTED = 1000;
/** The same again within this time is counted, not written again. */
const REPEAT_WITHIN_MS = 60_000;

/** Parts of a text come from clients. */
const MAX_TEXT = 300;

/** Words for kinds of entries; programs may switch on them. */
export type EntryKind =
  | "joined"
  | "active"
  | "updated"
  | "left"
  | "transport"
  | "candidates"
  | "signal"
  | "signalLost"
  | "resumed"
  | "negotiationFailed"
  | "trackPublished"
  | "trackUnpublished"
  | "firstPacket"
  | "layer"
  | "paused"
  | "data"
  | "quality";

/** One thing that happened. */
export interface Entry {
  readonly atMs: number;
  readonly kind: EntryKind;
  /** A sentence for people. */
  readonly text: string;
  /** SID of the track that it is about; "" for none. */
  readonly track: string;
}

/** An entry as it is kept; it may stand for several that were the same. */
export interface KeptEntry extends Entry {
  readonly times: number;
  readonly lastAtMs: number;
}

/** What is known of the connection at the moment. */
export interface Connection {
  readonly rttMs: number;
  /** What the link to the client is believed to carry; 0 = unknown. */
  readonly estimateBps: number;
  readonly atMs: number;
}

/** One stay of an identity in a room. */
export interface Session {
  readonly room: string;
  readonly identity: string;
  readonly sid: string;
  readonly joinedAtMs: number;
  leftAtMs: number | undefined;
  /** Name of the DisconnectReason, once it left. */
  leftReason: string;
  connection: Connection | undefined;
}

interface Kept extends Session {
  readonly first: KeptEntry[];
  last: KeptEntry[];
  forgotten: number;
}

export class Timelines {
  /** By SID, in the order of joins. */
  readonly #sessions = new Map<string, Kept>();
  /** By SID, in the order of departures. */
  readonly #departed = new Map<string, Kept>();

  /** Somebody joined. */
  begin(room: string, identity: string, sid: string, atMs: number): void {
    this.#prune(atMs);
    this.#sessions.set(sid, {
      room,
      identity,
      sid,
      joinedAtMs: atMs,
      leftAtMs: undefined,
      leftReason: "",
      connection: undefined,
      first: [],
      last: [],
      forgotten: 0,
    });
  }

  /** Something happened to a session; one that is unknown is ignored. */
  note(sid: string, entry: Entry): void {
    const session = this.#sessions.get(sid);
    if (!session) return;
    const list = session.first.length < FIRST && session.last.length === 0 ? session.first : session.last;
    const before = list.at(-1);
    if (before && isRepeat(before, entry)) {
      list[list.length - 1] = { ...before, times: before.times + 1, lastAtMs: entry.atMs };
      return;
    }
    const text = entry.text.length > MAX_TEXT ? `${entry.text.slice(0, MAX_TEXT)}…` : entry.text;
    list.push({ ...entry, text, times: 1, lastAtMs: entry.atMs });
    if (session.last.length <= LAST) return;
    session.last.shift();
    session.forgotten++;
  }

  /** The latest figures of the connection. */
  measure(sid: string, connection: Connection): void {
    const session = this.#sessions.get(sid);
    if (session) session.connection = connection;
  }

  /** Somebody left; the session stays readable for a while. */
  end(sid: string, reason: string, atMs: number): void {
    const session = this.#sessions.get(sid);
    if (!session || session.leftAtMs !== undefined) return;
    session.leftAtMs = atMs;
    session.leftReason = reason;
    this.#departed.set(sid, session);
    this.#prune(atMs);
  }

  /** Sessions of a room, or of one identity in it, in the order of joins. */
  sessions(room: string, identity: string | undefined, nowMs: number): Session[] {
    this.#prune(nowMs);
    const found: Session[] = [];
    for (const session of this.#sessions.values()) {
      if (session.room === room && (identity === undefined || session.identity === identity)) found.push(session);
    }
    return found;
  }

  /** Entries of a session, oldest first, and how many between the first and the last ones were forgotten. */
  entries(sid: string): { readonly entries: readonly KeptEntry[]; readonly forgotten: number } {
    const session = this.#sessions.get(sid);
    if (!session) return { entries: [], forgotten: 0 };
    return { entries: [...session.first, ...session.last], forgotten: session.forgotten };
  }

  /** How many sessions are remembered. */
  get size(): number {
    return this.#sessions.size;
  }

  #prune(nowMs: number): void {
    for (const [sid, { leftAtMs }] of this.#departed) {
      if (this.#departed.size <= MAX_DEPARTED && nowMs - leftAtMs! <= DEPARTED_FOR_MS) return;
      this.#departed.delete(sid);
      this.#sessions.delete(sid);
    }
  }
}

function isRepeat(before: KeptEntry, { kind, text, track, atMs }: Entry): boolean {
  const same = before.kind === kind && before.text === text && before.track === track;
  return same && atMs - before.lastAtMs <= REPEAT_WITHIN_MS;
}
