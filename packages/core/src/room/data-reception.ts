/** What a participant wants and gets of the data tracks of others; the rules are in `data-subscriptions.ts`. */
import type { Random } from "../crypto.ts";
import type { PublishedDataTrack } from "./data-track.ts";
import { Pace } from "./pace.ts";
import type { TrackSid } from "./sid.ts";

/** Handles of data tracks are 1 … this. */
export const MAX_DATA_HANDLE = 0xffff;

/** The first handle is one of so many. */
const FIRST_HANDLES = 256;

/** What a participant wants of one data track. */
export interface DataSubscription {
  /** An explicit "no" outlasts auto-subscription. */
  desired: boolean;
  /** The client was told that the publisher does not allow it. */
  denied: boolean;
  /** Under which it receives the track; 0 = it does not. */
  handle: number;
}

/** All of them. */
export interface DataReception {
  /** Of tracks that exist. */
  readonly subscriptions: Map<TrackSid, DataSubscription>;
  /** What it receives, by its handles. */
  readonly handles: Map<number, PublishedDataTrack>;
  /** The handle that was given last; undefined before the first. */
  lastHandle: number | undefined;
  /** How often it is told its handles: publishers may come and go as they like. */
  readonly pace: Pace;
}

/** Nothing yet. */
export function newDataReception(): DataReception {
  return { subscriptions: new Map(), handles: new Map(), lastHandle: undefined, pace: new Pace() };
}

/** The next free handle; 0 when all are taken. */
export function takeHandle(reception: DataReception, random: Random): number {
  const { handles } = reception;
  if (handles.size >= MAX_DATA_HANDLE) return 0;
  let handle = reception.lastHandle ?? random.uint32() % FIRST_HANDLES;
  do handle = (handle % MAX_DATA_HANDLE) + 1;
  while (handles.has(handle));
  reception.lastHandle = handle;
  return handle;
}
