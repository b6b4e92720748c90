/**
 * Clients that do what they may not: they send on after their right ended, or send what they were never allowed to, or ask again for
 * what was taken from them. The real room tells the real forwarder and the real relay; what counts is what others get.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  DataPacket,
  ParticipantPermission,
  SubscriptionPermission,
  TrackPermission,
  TrackSource,
  UpdateSubscription,
  UpdateTrackSettings,
  UserPacket,
} from "@livekit/protocol";
import { LOSSY_LABEL, RELIABLE_LABEL } from "../data/labels.ts";
import { DataRelay } from "../data/relay.ts";
import type { MediaCommand } from "../engine/commands.ts";
import type { PeerId } from "../engine/specs.ts";
import { rtp, vp8 } from "../media/harness-packets.test.ts";
import { World as Media } from "../media/harness.test.ts";
import { removeParticipant } from "./admin/remove-participant.ts";
import { updateParticipant } from "./admin/update-participant.ts";
import type { Client } from "./harness-client.test.ts";
import { EVERYTHING, type ClientOptions } from "./harness-join.test.ts";
import { World } from "./harness.test.ts";
import type { Grants } from "./options.ts";

const ROOM = "RM_test";
const VIDEO_SSRC = 0x1111;
const AUDIO_SSRC = 0x2222;
/** What ends each packet of a client, so that frames which the server makes up are told from them. */
const MARK = [0xc0, 0xff, 0xee];

/** A room with a worker: its commands are carried out, and packets pass. */
class Call {
  readonly room = new World();
  readonly #media = new Media();
  readonly #relay = new DataRelay(
    (peer, label) => {
      this.#messages.push(`${peer} ${label}`);
      return "queued";
    },
    () => undefined,
  );
  #messages: string[] = [];
  #done = 0;
  #sequence = 100;

  connect(identity: string, options: ClientOptions): Client {
    const client = this.room.connect(identity, options);
    this.#sync();
    return client;
  }

  /** Whose media the recipient gets when both are sent for a second: "video", "audio", or both. */
  media(from: Client, to: Client): string {
    for (let i = 0; i < 30; i++) {
      this.#sync();
      this.#sequence++;
      for (const peer of from.peers) this.#sendBoth(peer, i === 0);
      this.#advance(33);
    }
    this.#sync();
    const kinds = new Set<string>();
    for (const peer of to.peers) {
      for (const { payload, payloadType } of this.#media.takeRtp(peer)) {
        if (payload.slice(-MARK.length).join() === MARK.join()) kinds.add(payloadType === 111 ? "audio" : "video");
      }
    }
    return [...kinds].toSorted().join(" and ");
  }

  /** The channels on which the recipient gets a message that is sent on both. */
  data(from: Client, to: Client): string[] {
    this.#sync();
    this.#messages = [];
    for (const label of [RELIABLE_LABEL, LOSSY_LABEL]) {
      const value = new UserPacket({ payload: new Uint8Array(MARK) });
      const packet = new DataPacket({ value: { case: "user", value } });
      this.#relay.handleMessage(ROOM, from.sid, label, packet.toBinary());
    }
    return this.#messages
      .filter((one) => to.peers.some((peer) => one.startsWith(`${peer} `)))
      .map((one) => one.split(" ")[1]!);
  }

  #sendBoth(peer: PeerId, key: boolean): void {
    const sequence = this.#sequence & 0xffff;
    const picture = vp8({ key, pictureId: sequence, tl0: sequence, body: MARK });
    const common = { sequence, marker: true };
    this.#media.feed(peer, rtp({ ...common, timestamp: sequence * 3000, ssrc: VIDEO_SSRC, payload: picture }));
    this.#media.feed(
      peer,
      rtp({ ...common, payloadType: 111, timestamp: sequence * 960, ssrc: AUDIO_SSRC, payload: [0xf8, ...MARK] }),
    );
  }

  #advance(ms: number): void {
    this.#media.advance(ms);
    this.room.advance(ms);
  }

  /** Carries out what the room has told its worker. */
  #sync(): void {
    const { effects } = this.room;
    for (; this.#done < effects.length; this.#done++) {
      const effect = effects[this.#done]!;
      if (effect.type === "media") this.#perform(effect.command);
    }
  }

  #perform(command: MediaCommand): void {
    const { forwarder } = this.#media;
    if (command.type === "openPeer") this.#media.addPeer(command.peer, [], []);
    if (command.type === "closePeer") forwarder.removePeer(command.peer);
    if (command.type === "setReceivers") forwarder.setReceivers(command.peer, command.receivers);
    if (command.type === "setSenders") forwarder.setSenders(command.peer, command.senders);
    if (command.type === "setTrack") forwarder.setTrack(command.track, command.spec);
    if (command.type === "removeTrack") forwarder.removeTrack(command.track);
    if (command.type === "muteTrack") forwarder.muteTrack(command.track, command.muted);
    if (command.type === "setDownlink") forwarder.setDownlink(command.peer, command.track, command.settings);
    if (command.type === "setMember") this.#relay.setMember(command.room, command.participant, command.member);
    if (command.type === "removeMember") this.#relay.removeMember(command.room, command.participant);
  }

  permit(identity: string, change: Partial<Grants>): void {
    const { canUpdateOwnMetadata, ...rest } = { ...EVERYTHING, ...change };
    const permission = new ParticipantPermission({
      ...rest,
      canUpdateMetadata: canUpdateOwnMetadata,
      canPublishSources: [...rest.canPublishSources],
    });
    const info = this.room.act(updateParticipant({ identity, permission, name: "", metadata: "", attributes: {} }));
    assert.ok(typeof info !== "string");
  }
}

for (const peerConnections of ["single", "dual"] as const) {
  describe(`with ${peerConnections === "single" ? "one peer connection" : "two peer connections"}`, () => {
    const meet = (bobMay: Partial<Grants> = {}) => {
      const call = new Call();
      const ada = call.connect("ada", { peerConnections });
      const bob = call.connect("bob", { peerConnections, grants: bobMay });
      return { call, ada, bob };
    };
    const publishBoth = (client: Client) => [client.publish("cam", "video"), client.publish("mic", "audio")] as const;

    test("a publisher whose right was withdrawn, in part and wholly, sends on", () => {
      const { call, ada, bob } = meet();
      publishBoth(bob);
      assert.equal(call.media(bob, ada), "audio and video");
      call.permit("bob", { canPublishSources: [TrackSource.MICROPHONE] });
      assert.equal(call.media(bob, ada), "audio");
      call.permit("bob", { canPublish: false });
      assert.equal(call.media(bob, ada), "");
      bob.offer([]);
      assert.equal(call.media(bob, ada), "", "nor after it has offered its m-lines again");
      call.permit("bob", {});
      bob.publish("cam2", "video");
      assert.equal(call.media(bob, ada), "video", "only what it published anew");
    });

    test("a publisher that has unpublished sends on", () => {
      const { call, ada, bob } = meet();
      publishBoth(bob);
      assert.equal(call.media(bob, ada), "audio and video");
      bob.unpublish("cam");
      assert.equal(call.media(bob, ada), "audio");
      bob.unpublish("mic");
      assert.equal(call.media(bob, ada), "");
    });

    test("a source that it may not publish is offered and sent all the same", () => {
      const { call, ada, bob } = meet({ canPublishSources: [TrackSource.MICROPHONE] });
      bob.publish("mic", "audio");
      bob.addTrack("cam", "video");
      bob.offer([{ cid: "cam", kind: "video" }]);
      assert.equal(call.media(bob, ada), "audio");
    });

    test("without any right, with and without m-lines for it", () => {
      const { call, ada, bob } = meet({ canPublish: false });
      assert.equal(call.media(bob, ada), "");
      bob.addTrack("cam", "video");
      bob.offer([
        { cid: "cam", kind: "video" },
        { cid: "mic", kind: "audio" },
      ]);
      assert.equal(call.media(bob, ada), "");
    });

    test("one that publishes nothing sends under the SSRCs of another", () => {
      const { call, ada, bob } = meet();
      publishBoth(bob);
      const eve = call.connect("eve", { peerConnections });
      assert.equal(call.media(bob, ada), "audio and video");
      assert.equal(call.media(eve, ada), "");
      assert.equal(call.media(bob, ada), "audio and video");
    });

    test("one that was removed sends on", () => {
      const { call, ada, bob } = meet();
      publishBoth(bob);
      const { peers } = bob;
      assert.equal(call.media(bob, ada), "audio and video");
      call.room.act(removeParticipant("bob"));
      assert.deepEqual(bob.peers, []);
      Object.defineProperty(bob, "peers", { value: peers });
      assert.deepEqual([call.media(bob, ada), call.data(bob, ada)], ["", []]);
    });

    test("a muted publisher sends on", () => {
      const { call, ada, bob } = meet();
      const [cam] = publishBoth(bob);
      assert.equal(call.media(bob, ada), "audio and video");
      bob.request({ case: "mute", value: { sid: cam.sid, muted: true } as never });
      assert.equal(call.media(bob, ada), "audio");
    });

    test("a subscriber that lost its right asks for everything again", () => {
      const { call, ada, bob } = meet();
      const trackSids = publishBoth(bob).map(({ sid }) => sid);
      assert.equal(call.media(bob, ada), "audio and video");
      call.permit("ada", { canSubscribe: false });
      assert.equal(call.media(bob, ada), "");
      ada.request({ case: "subscription", value: new UpdateSubscription({ trackSids, subscribe: true }) });
      ada.request({ case: "trackSetting", value: new UpdateTrackSettings({ trackSids, disabled: false }) });
      assert.equal(call.media(bob, ada), "");
      call.permit("ada", {});
      assert.equal(call.media(bob, ada), "audio and video");
    });

    test("a subscriber that the publisher shut out of one track asks for it again", () => {
      const { call, ada, bob } = meet();
      const [cam, mic] = publishBoth(bob);
      assert.equal(call.media(bob, ada), "audio and video");
      const trackPermissions = [new TrackPermission({ participantIdentity: "ada", trackSids: [mic.sid] })];
      bob.request({ case: "subscriptionPermission", value: new SubscriptionPermission({ trackPermissions }) });
      assert.equal(call.media(bob, ada), "audio");
      const value = new UpdateSubscription({ trackSids: [cam.sid], subscribe: true });
      ada.request({ case: "subscription", value });
      assert.equal(call.media(bob, ada), "audio");
    });

    test("data is dropped from when the right to send it ends", () => {
      const { call, ada, bob } = meet();
      assert.deepEqual(call.data(bob, ada), [RELIABLE_LABEL, LOSSY_LABEL]);
      call.permit("bob", { canPublishData: false });
      assert.deepEqual(call.data(bob, ada), []);
      assert.deepEqual(call.data(ada, bob), [RELIABLE_LABEL, LOSSY_LABEL], "it still gets what others send");
      call.permit("bob", {});
      assert.deepEqual(call.data(bob, ada), [RELIABLE_LABEL, LOSSY_LABEL]);
      const mute = call.connect("mute", { peerConnections, grants: { canPublishData: false } });
      assert.deepEqual(call.data(mute, ada), []);
    });
  });
}
