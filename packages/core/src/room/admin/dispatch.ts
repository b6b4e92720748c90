/**
 * AgentDispatchService: which agents a room calls. The room keeps the list; whoever runs agents hears of a new and of a
 * deleted dispatch by an effect, and reports the jobs. Invariant: an id is never used twice.
 */
import {
  AgentDispatch,
  AgentDispatchState,
  RoomAgentDispatch,
  type CreateAgentDispatchRequest,
  type Job,
} from "@livekit/protocol";
import { newSid } from "../sid.ts";
import type { RoomState } from "../state.ts";
import { Refusal, type Action } from "./action.ts";

const MAX_DISPATCHES = 1000;
/** Jobs remembered per dispatch, the newest ones. */
const MAX_JOBS = 1000;

type Wanted = Pick<
  CreateAgentDispatchRequest,
  "agentName" | "metadata" | "restartPolicy" | "deployment" | "attributes"
>;

/** Calls an agent into the room. */
export function createDispatch(wanted: Wanted): Action<AgentDispatch> {
  return (room) => {
    if (room.dispatches.size >= MAX_DISPATCHES) {
      return new Refusal("resource_exhausted", `the room has ${MAX_DISPATCHES} dispatches already`);
    }
    return addDispatch(room, wanted);
  };
}

/** All dispatches of the room, or the one with this id. */
export function listDispatches(id: string): Action<AgentDispatch[]> {
  return (room) => [...room.dispatches.values()].filter((dispatch) => id === "" || dispatch.id === id);
}

/** Takes a dispatch back; its jobs end. */
export function deleteDispatch(id: string): Action<AgentDispatch> {
  return (room) => {
    const dispatch = room.dispatches.get(id);
    if (!dispatch) return new Refusal("not_found", "dispatch ID not found", "dispatch_id");
    room.dispatches.delete(id);
    const deleted = dispatch.clone();
    if (deleted.state) deleted.state.deletedAt = nowNs(room);
    room.emit({ type: "dispatchDeleted", dispatch: deleted });
    return deleted;
  };
}

/** What became of a job of a dispatch, as whoever runs agents saw it; the newest state of a job replaces the former one. */
export function noteJob(id: string, job: Job): Action<true> {
  return (room) => {
    const dispatch = room.dispatches.get(id);
    if (!dispatch?.state) return new Refusal("not_found", "dispatch ID not found", "dispatch_id");
    const others = dispatch.state.jobs.filter((known) => known.id !== job.id);
    dispatch.state.jobs = [...others.slice(1 - MAX_JOBS), job];
    return true;
  };
}

/**
 * What a new room calls by itself: the agents of its configuration, or else those that take every room. The latter is
 * nobody's dispatch: it is in no list and cannot be deleted.
 */
export function dispatchConfigured(room: RoomState): void {
  const { agents } = room.options.config;
  for (const agent of agents.slice(0, MAX_DISPATCHES)) addDispatch(room, agent);
  if (agents.length === 0) room.emit({ type: "dispatchCreated", dispatch: newDispatch(room, new RoomAgentDispatch()) });
}

function addDispatch(room: RoomState, wanted: Wanted): AgentDispatch {
  const dispatch = newDispatch(room, wanted);
  room.dispatches.set(dispatch.id, dispatch);
  room.emit({ type: "dispatchCreated", dispatch });
  return dispatch;
}

function newDispatch(room: RoomState, wanted: Wanted): AgentDispatch {
  const { agentName, metadata, restartPolicy, deployment, attributes } = wanted;
  return new AgentDispatch({
    id: newSid(room.options.random, "AD_"),
    room: room.options.name,
    agentName,
    metadata,
    restartPolicy,
    deployment,
    attributes,
    state: new AgentDispatchState({ createdAt: nowNs(room) }),
  });
}

function nowNs(room: RoomState): bigint {
  return BigInt(Math.floor(room.nowMs)) * 1_000_000n;
}
