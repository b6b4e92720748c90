// Runs inside a test page: publishes data tracks whose frames carry a number, and keeps what arrives of those of others. Loaded by
// browser.ts before the harness, which hands it its room; `dataTracks` is its only global.
/* global LivekitClient */
(() => {
  const published = new Map();
  const received = new Map();
  let room;

  /** A frame: its number, then bytes that follow from it. */
  function frame(number, bytes) {
    const payload = new Uint8Array(bytes).fill(number % 251);
    new DataView(payload.buffer).setUint32(0, number);
    return payload;
  }

  async function take(track) {
    const { name, sid } = track.info;
    const record = { sid, from: track.publisherIdentity, frames: [], damaged: 0, ended: false, error: "" };
    received.set(name, record);
    try {
      const reader = track.subscribe({ bufferSize: 256 }).getReader();
      for (let next = await reader.read(); !next.done; next = await reader.read()) {
        const { payload } = next.value;
        const number = new DataView(payload.buffer, payload.byteOffset).getUint32(0);
        if (!payload.subarray(4).every((byte) => byte === number % 251)) record.damaged++;
        record.frames.push([number, payload.length]);
      }
      record.ended = true;
    } catch (error) {
      record.error = String(error);
    }
  }

  window.dataTracks = {
    /** Subscribes to all that is published in this room. */
    watch: (own) => {
      room = own;
      room.on(LivekitClient.RoomEvent.DataTrackPublished, take);
    },
    publish: async (name) => {
      const track = await room.localParticipant.publishDataTrack({ name });
      published.set(name, track);
      return track.info.sid;
    },
    /** Sends frames of these numbers, one every so many milliseconds. */
    push: async (name, from, count, bytes, everyMs) => {
      for (let i = 0; i < count; i++) {
        await published.get(name).tryPush({ payload: frame(from + i, bytes) });
        await new Promise((resolve) => setTimeout(resolve, everyMs));
      }
    },
    isPublished: (name) => published.get(name).isPublished(),
    unpublish: (name) => published.get(name).unpublish(),
    received: (name) => received.get(name),
    /** Names of the data tracks that the client shows of somebody. */
    shown: (identity) => [...(room.remoteParticipants.get(identity)?.dataTracks.keys() ?? [])],
    /** Who may receive what is published here: everybody, or only these identities. */
    allow: (identities) =>
      room.localParticipant.setTrackSubscriptionPermissions(
        identities === undefined,
        (identities ?? []).map((participantIdentity) => ({ participantIdentity, allowAll: true })),
      ),
  };
})();
