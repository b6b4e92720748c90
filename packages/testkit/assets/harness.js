// Runs inside a test page beside livekit-client and meters.js: publishes a camera whose frames carry a number and a tone of known pitch,
// and lets a test ask for what arrives of others. Loaded by browser.ts; `harness` is its only global.
/* global LivekitClient, meters, dataTracks, channels */
(() => {
  const { Room, RoomEvent, Track, LocalVideoTrack, LocalAudioTrack } = LivekitClient;
  const events = [];
  const data = [];
  const files = [];
  const texts = [];
  const speakers = [];
  const peers = [];
  const gains = new Map();
  let room;
  let audioCodec = "";

  const NativePeer = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends NativePeer {
    constructor(...args) {
      super(...args);
      peers.push(this);
      this.addEventListener("datachannel", ({ channel }) => channels.hold(channel));
    }

    createDataChannel(...args) {
      return channels.hold(super.createDataChannel(...args));
    }

    addTransceiver(...args) {
      const transceiver = super.addTransceiver(...args);
      if (audioCodec) preferAudio(transceiver);
      return transceiver;
    }
  };

  /** Puts the codec that a test wants before all others: no option of the client does so for sound. */
  function preferAudio(transceiver) {
    if (transceiver.sender.track?.kind !== "audio") return;
    const { codecs } = RTCRtpSender.getCapabilities("audio");
    const rank = ({ mimeType }) => (mimeType === audioCodec ? 0 : 1);
    transceiver.setCodecPreferences(codecs.sort((x, y) => rank(x) - rank(y)));
  }

  const sockets = [];
  const NativeSocket = window.WebSocket;
  window.WebSocket = class extends NativeSocket {
    constructor(...args) {
      super(...args);
      sockets.push(this);
    }
  };

  function log(name, detail = {}) {
    events.push({ name, at: performance.now(), ...detail });
  }

  /** Joins. `passphrase` among the room's options turns on end-to-end encryption. */
  async function connect(url, token, { passphrase, ...roomOptions } = {}, connectOptions = {}) {
    room = new Room(passphrase ? { ...roomOptions, encryption: await encryption(passphrase) } : roomOptions);
    for (const name of Object.values(RoomEvent)) {
      room.on(name, (...args) => {
        if (name !== RoomEvent.ActiveSpeakersChanged)
          log(name, { about: args.map(describe).filter(Boolean).join(" ") });
      });
    }
    room.on(RoomEvent.ActiveSpeakersChanged, (list) => {
      speakers.push({ at: performance.now(), who: list.map(({ identity }) => identity) });
    });
    room.on(RoomEvent.DataReceived, (payload, from, _kind, topic) => {
      data.push({ text: new TextDecoder().decode(payload), from: from?.identity, topic });
    });
    room.on(RoomEvent.TrackSubscribed, (track, _publication, who) => meters.watch(track, who.identity));
    room.on(RoomEvent.TrackUnsubscribed, (track, { source }, who) => meters.unwatch(track, who.identity, source));
    dataTracks.watch(room);
    if (passphrase) await room.setE2EEEnabled(true);
    const started = performance.now();
    await room.connect(url, token, connectOptions);
    return { ms: performance.now() - started, sid: room.localParticipant.sid, serverVersion: room.serverInfo?.version };
  }

  async function encryption(passphrase) {
    const keyProvider = new LivekitClient.ExternalE2EEKeyProvider();
    await keyProvider.setKey(passphrase);
    return { keyProvider, worker: new Worker("/e2ee-worker.js") };
  }

  function describe(value) {
    if (typeof value === "string" || typeof value === "number") return String(value);
    return value?.identity ?? value?.trackSid ?? value?.sid ?? value?.message ?? "";
  }

  /**
   * A picture with a barcode of the frame number on top, so that a receiver can tell a moving from a frozen or repeated one.
   * `noise` fills this share of each side with what does not compress: a picture that needs its bit rate.
   */
  function camera({ width = 640, height = 360, fps = 15, noise = 0 } = {}) {
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    const pen = canvas.getContext("2d");
    const [noiseWidth, noiseHeight] = [Math.round(width * noise), Math.round(height * noise)];
    const small = new OffscreenCanvas(Math.max(1, noiseWidth >> 2), Math.max(1, noiseHeight >> 2)); // grey blocks of 4 × 4
    const speckles = new ImageData(small.width, small.height);
    const pixels = new Uint32Array(speckles.data.buffer);
    const smallPen = small.getContext("2d");
    let number = 0;
    const draw = () => {
      number = (number + 1) & 0xffff;
      pen.fillStyle = `hsl(${(number * 3) % 360} 60% 45%)`;
      pen.fillRect(0, 0, width, height);
      pen.fillStyle = "#fff";
      pen.fillRect((number * 7) % width, height / 2, 40, 40);
      for (let i = 0; i < pixels.length; i++) pixels[i] = 0xff000000 | (((Math.random() * 128) | 0) * 0x010101);
      smallPen.putImageData(speckles, 0, 0);
      pen.imageSmoothingEnabled = false;
      if (noise) pen.drawImage(small, width >> 2, height >> 1, noiseWidth, noiseHeight);
      meters.drawNumber(pen, number, width, height);
    };
    draw();
    setInterval(draw, 1000 / fps);
    return canvas.captureStream(fps).getVideoTracks()[0];
  }

  /** A tone of `hz`, and `rightHz` in the other ear when that is given; the volume can be set later under the name of `source`. */
  function tone(hz, { volume = 0.4, rightHz, source }) {
    const audio = new AudioContext();
    const out = audio.createMediaStreamDestination();
    const gain = new GainNode(audio, { gain: volume });
    const ears = new ChannelMergerNode(audio, { numberOfInputs: rightHz ? 2 : 1 });
    for (const [ear, frequency] of [hz, rightHz].entries()) {
      if (frequency === undefined) continue;
      const oscillator = new OscillatorNode(audio, { frequency });
      oscillator.connect(ears, 0, ear);
      oscillator.start();
    }
    out.channelCount = rightHz ? 2 : 1;
    ears.connect(gain).connect(out);
    gains.set(source, gain);
    return out.stream.getAudioTracks()[0];
  }

  async function publishCamera({ options = {}, ...picture } = {}) {
    const publication = await room.localParticipant.publishTrack(
      new LocalVideoTrack(camera(picture), undefined, true),
      {
        source: Track.Source.Camera,
        degradationPreference: "maintain-resolution",
        ...options,
      },
    );
    return publication.trackSid;
  }

  async function publishTone(hz, { volume, rightHz, ...options } = {}) {
    const source = options.source ?? Track.Source.Microphone;
    const track = new LocalAudioTrack(tone(hz, { volume, rightHz, source }), undefined, true);
    return (await room.localParticipant.publishTrack(track, { ...options, source })).trackSid;
  }

  /** The browser's own fake microphone: where Web Audio does not run without an audio device (Firefox). */
  async function publishFakeMicrophone() {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    const track = new LocalAudioTrack(stream.getAudioTracks()[0], undefined, true);
    return (await room.localParticipant.publishTrack(track, { source: Track.Source.Microphone })).trackSid;
  }

  const publicationOf = (identity, source) => room.remoteParticipants.get(identity)?.getTrackPublication(source);

  async function stats(type) {
    const found = [];
    for (const peer of peers) {
      if (peer.connectionState === "closed") continue;
      for (const entry of (await peer.getStats()).values()) if (entry.type === type) found.push(entry);
    }
    return found;
  }

  /** The browser's figures of what arrives of someone, with the codec's name. */
  async function inbound(identity, source = "camera") {
    const report = await publicationOf(identity, source)?.track?.getRTCStatsReport();
    if (!report) return undefined;
    for (const s of report.values())
      if (s.type === "inbound-rtp") return { ...s, mimeType: report.get(s.codecId)?.mimeType };
    return undefined;
  }

  /** The browser's figures of what it sends, one per layer and codec, with the codec's name and parameters. */
  async function outbound(kind = "video") {
    const found = [];
    for (const peer of peers) {
      if (peer.connectionState === "closed") continue;
      const report = await peer.getStats();
      for (const s of report.values()) {
        if (s.type !== "outbound-rtp" || s.kind !== kind) continue;
        const codec = report.get(s.codecId);
        found.push({ ...s, mimeType: codec?.mimeType, fmtp: codec?.sdpFmtpLine ?? "" });
      }
    }
    return found.sort((x, y) => (x.frameWidth ?? 0) - (y.frameWidth ?? 0));
  }

  window.harness = {
    get room() {
      return room;
    },
    peers,
    events,
    data,
    speakers,
    connect,
    publishCamera,
    publishTone,
    /** Codec of the sounds published from now on, such as "audio/PCMU". */
    useAudioCodec: (mimeType) => {
      audioCodec = mimeType;
    },
    publishFakeMicrophone,
    heard: meters.heard,
    seen: meters.seen,
    forget: meters.forget,
    resize: meters.resize,
    stats,
    inbound,
    outbound,
    codecOf: async (identity, source) => (await inbound(identity, source))?.mimeType,
    /** The room's metadata by its first character and length: it may be long. */
    metadata: () => ({ first: room.metadata?.[0] ?? "", length: room.metadata?.length ?? 0 }),
    attributes: (identity) => ({ ...room.getParticipantByIdentity(identity)?.attributes }),
    /** How often an event of the room came. */
    count: (name) => events.filter((event) => event.name === name).length,
    /** Its own SID, which a resume keeps. */
    sid: () => room.localParticipant.sid,
    /** SIDs of the others by their identities. */
    sids: () => Object.fromEntries([...room.remoteParticipants.values()].map(({ identity, sid }) => [identity, sid])),
    participants: () => [...(room?.remoteParticipants.keys() ?? [])].sort((a, b) => a.localeCompare(b)),
    send: (text, options) => room.localParticipant.publishData(new TextEncoder().encode(text), options),
    mute: (source, muted) => {
      const track = room.localParticipant.getTrackPublication(source).track;
      return muted ? track.mute() : track.unmute();
    },
    /** 0 … 1; the track stays unmuted at 0. */
    volume: (value, source = Track.Source.Microphone) => {
      gains.get(source).gain.value = value;
    },
    unpublish: (source) =>
      room.localParticipant.unpublishTrack(room.localParticipant.getTrackPublication(source).track),
    /** Calls a setter of what somebody else has published. */
    wish: async (identity, source, method, ...args) => {
      await publicationOf(identity, source)[method](...args);
    },
    trackInfo: (identity, source) => publicationOf(identity, source)?.trackInfo?.toJson(),
    /** What the server has said in SDP, one text per peer connection. */
    remoteSdp: () => peers.map(({ remoteDescription }) => remoteDescription?.sdp ?? ""),
    qualities: () =>
      [room.localParticipant, ...room.remoteParticipants.values()].map((p) => [p.identity, p.connectionQuality]),
    simulate: (...scenario) => room.simulateScenario(...scenario),
    /** Answers the calls of others: "echo" with their words, "boom" with an error of its own. */
    answerCalls: () => {
      room.registerRpcMethod("echo", async ({ callerIdentity, payload }) => `${callerIdentity}: ${payload}`);
      room.registerRpcMethod("boom", async () => {
        throw new LivekitClient.RpcError(42, "boom", "and more");
      });
    },
    /** Calls a method of somebody: `{ payload }` or `{ code, data }`. */
    callMethod: (destinationIdentity, method, payload) =>
      room.localParticipant.performRpc({ destinationIdentity, method, payload }).then(
        (answer) => ({ payload: answer }),
        ({ code, data: more }) => ({ code, data: more }),
      ),
    texts,
    /** Takes text streams of this topic into `texts`. */
    takeTexts: (topic) =>
      room.registerTextStreamHandler(topic, async (reader, { identity }) => {
        texts.push({ from: identity, text: await reader.readAll() });
      }),
    sendText: (text, options) => room.localParticipant.sendText(text, options).then(() => {}),
    /** Sends a file of `bytes` bytes, each the lowest byte of its place. */
    sendFile: (name, bytes, options) => {
      const content = Uint8Array.from({ length: bytes }, (_, i) => i & 255);
      return room.localParticipant.sendFile(new File([content], name), options).then(() => {});
    },
    /** Opens data channels that the client knows nothing of, each with one message, and leaves them open. */
    openChannels: async (count, bytes) => {
      const peer = peers.findLast(({ sctp }) => sctp?.state === "connected");
      const opened = Array.from({ length: count }, (_, i) => peer.createDataChannel(`own-${i}`));
      await Promise.all(opened.map((channel) => new Promise((resolve) => channel.addEventListener("open", resolve))));
      for (const channel of opened) channel.send(new Uint8Array(bytes));
    },
    sendChat: (text) => room.localParticipant.sendChatMessage(text).then(() => {}),
    files,
    /** Takes byte streams of this topic into `files`. */
    takeFiles: (topic) => {
      room.registerByteStreamHandler(topic, async (reader, { identity }) => {
        const file = { from: identity, name: reader.info.name, bytes: 0, sha256: "" };
        files.push(file);
        const parts = [];
        for await (const part of reader) {
          parts.push(part);
          file.bytes += part.length;
        }
        const digest = await crypto.subtle.digest("SHA-256", await new Blob(parts).arrayBuffer());
        file.sha256 = [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
      });
    },
    leave: () => room.disconnect(),
    /** The signal socket breaks under the client's feet. */
    breakSignal: () => sockets.at(-1).close(),
  };
})();
