/** What clients do and see of data tracks, for the tests of them; packets go through the worker's own table. */
import assert from "node:assert/strict";
import {
  DataTrackInfo,
  ParticipantInfo_State,
  ParticipantPermission,
  PublishDataTrackRequest,
  SubscriptionPermission,
  TrackPermission,
  UnpublishDataTrackRequest,
  UpdateDataSubscription,
  UpdateDataSubscription_Update,
} from "@livekit/protocol";
import { wholeFramePacket } from "@stoa/testkit/data-track-packet";
import { parseDataTrackPacket } from "@stoa/wire/data-track/packet";
import { DataTracks } from "../data/data-tracks.ts";
import { updateParticipant } from "./admin/update-participant.ts";
import type { Client } from "./harness-client.test.ts";
import { EVERYTHING, type ClientOptions } from "./harness-join.test.ts";
import { World } from "./harness.test.ts";
import type { Grants } from "./options.ts";

/** Subscribes to all data tracks by itself. */
export const AUTO: ClientOptions = { autoSubscribeDataTrack: true };

/** Asks to publish a data track. */
export function request(publisher: Client, more: Partial<PublishDataTrackRequest>): void {
  publisher.request({ case: "publishDataTrackRequest", value: new PublishDataTrackRequest(more) });
}

/** Publishes a data track; its info, as the publisher is told. */
export function publish(publisher: Client, pubHandle: number, name = `track ${pubHandle}`): DataTrackInfo {
  request(publisher, { pubHandle, name });
  const info = publisher.last("publishDataTrackResponse")?.info;
  assert.equal(info?.pubHandle, pubHandle);
  return info!;
}

/** Asks for its end. */
export function unpublish(publisher: Client, pubHandle: number): void {
  publisher.request({ case: "unpublishDataTrackRequest", value: new UnpublishDataTrackRequest({ pubHandle }) });
}

/** Wants data tracks, or does not. */
export function wish(client: Client, subscribe: boolean, ...sids: string[]): void {
  const updates = sids.map((trackSid) => new UpdateDataSubscription_Update({ trackSid, subscribe }));
  client.request({ case: "updateDataSubscription", value: new UpdateDataSubscription({ updates }) });
}

/** A publisher says who may receive what it publishes; an empty list is nobody. */
export function allow(publisher: Client, entries: Partial<TrackPermission>[] | "all"): void {
  const value = new SubscriptionPermission({
    allParticipants: entries === "all",
    trackPermissions: entries === "all" ? [] : entries.map((entry) => new TrackPermission(entry)),
  });
  publisher.request({ case: "subscriptionPermission", value });
}

/** The API gives a participant these rights, and all others. */
export function permit(world: World, identity: string, change: Partial<Grants>): void {
  const { canUpdateOwnMetadata, ...rest } = { ...EVERYTHING, ...change };
  const permission = new ParticipantPermission({
    ...rest,
    canUpdateMetadata: canUpdateOwnMetadata,
    canPublishSources: [...rest.canPublishSources],
  });
  const info = world.act(updateParticipant({ identity, permission, name: "", metadata: "", attributes: {} }));
  assert.ok(typeof info !== "string", identity);
}

/** SIDs by handle, as the client was told last. */
export function handlesOf(client: Client): Map<number, string> {
  const { subHandles = {} } = client.last("dataTrackSubscriberHandles") ?? {};
  return new Map(Object.entries(subHandles).map(([handle, { trackSid }]) => [Number(handle), trackSid]));
}

/** What it receives. */
export const sidsOf = (client: Client): string[] => [...handlesOf(client).values()].toSorted();

/** Names of somebody's data tracks, as the client shows them. */
export const sees = (client: Client, identity: string): string[] =>
  (client.sees(identity)?.dataTracks ?? []).map(({ name }) => name);

/** Data tracks in the last update, which is about somebody's leaving. */
export function farewell(client: Client): DataTrackInfo[] {
  const [info] = client.last("update")!.participants;
  assert.equal(info?.state, ParticipantInfo_State.DISCONNECTED);
  return info!.dataTracks;
}

/** Who gets a packet that this client sends under this handle: identities, and the tracks that they take it for. */
export function receivers(world: World, from: Client, handle: number): string[] {
  const got: string[] = [];
  const worker = new DataTracks((peer, _, bytes) => {
    const to = world.clients.find((client) => client.peers.includes(peer));
    if (to) got.push(`${to.identity}: ${handlesOf(to).get(parseDataTrackPacket(bytes)!.handle)}`);
    return "queued";
  });
  for (const effect of world.effects) {
    if (effect.type !== "media") continue;
    const { command } = effect;
    if (command.type === "setMember") worker.setMember(command.participant, command.member);
    if (command.type === "removeMember") worker.removeMember(command.participant);
    if (command.type === "setDataTrack") worker.setTrack(command.participant, command.track, command.handle);
    if (command.type === "removeDataTrack") worker.removeTrack(command.track);
    if (command.type === "setDataSubscription")
      worker.setSubscription(command.participant, command.track, command.handle);
  }
  worker.handlePacket(from.sid, wholeFramePacket(handle, Uint8Array.of(1)));
  return got.toSorted();
}
