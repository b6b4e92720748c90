/**
 * The timelines for people with a `roomAdmin` token of the room: `GET /stoa/v1/rooms/{room}/timelines` lists sessions,
 * `GET /stoa/v1/rooms/{room}/participants/{identity}/timeline` tells them. The shapes are documented in
 * docs/3-reference/timeline.md. Invariant: nobody learns from the answer whether a room that is not his exists.
 */
import type { Context } from "hono";
import type { HttpApp } from "../http/app.ts";
import type { KeptEntry, Session, Timelines } from "./timelines.ts";

/** Adds the two routes. */
export function mountTimelines(app: HttpApp, timelines: Timelines, nowMs: () => number): void {
  app.get("/stoa/v1/rooms/:room/timelines", (c) => {
    const room = c.req.param("room");
    if (!isAdmin(c, room)) return denied();
    const sessions = timelines.sessions(room, undefined, nowMs());
    return answer({ room, sessions: sessions.map(sessionJson) });
  });
  app.get("/stoa/v1/rooms/:room/participants/:identity/timeline", (c) => {
    const { room, identity } = c.req.param();
    if (!isAdmin(c, room)) return denied();
    const sessions = timelines.sessions(room, identity, nowMs());
    if (sessions.length === 0) return failure(404, "not_found", "participant does not exist, or left too long ago");
    return answer({ room, identity, sessions: sessions.map((session) => fullJson(session, timelines)) });
  });
}

function isAdmin(c: Context, room: string): boolean {
  const token = c.get("token") as { grants: { video?: { roomAdmin?: boolean; room?: string } } } | undefined;
  const video = token?.grants.video;
  return video?.roomAdmin === true && video.room === room;
}

function sessionJson({ identity, sid, joinedAtMs, leftAtMs, leftReason, connection }: Session) {
  return {
    identity,
    sid,
    joinedAt: iso(joinedAtMs),
    leftAt: leftAtMs === undefined ? null : iso(leftAtMs),
    leftReason: leftReason === "" ? null : leftReason,
    connection: connection
      ? {
          rttMs: Math.round(connection.rttMs),
          estimateBps: Math.round(connection.estimateBps),
          at: iso(connection.atMs),
        }
      : null,
  };
}

function fullJson(session: Session, timelines: Timelines) {
  const { entries, forgotten } = timelines.entries(session.sid);
  return { ...sessionJson(session), forgottenEntries: forgotten, entries: entries.map(entryJson) };
}

function entryJson({ atMs, kind, text, track, times, lastAtMs }: KeptEntry) {
  return { at: iso(atMs), kind, text, track: track === "" ? null : track, times, lastAt: iso(lastAtMs) };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}

function answer(body: unknown): Response {
  return Response.json(body, { headers: { "cache-control": "no-store" } });
}

/** As the API's errors, so that a client of both reads one shape. */
function failure(status: number, code: string, msg: string): Response {
  return new Response(JSON.stringify({ code, msg }), { status, headers: { "content-type": "application/json" } });
}

function denied(): Response {
  return failure(401, "unauthenticated", "permissions denied");
}
