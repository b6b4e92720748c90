// Runs inside a test page beside livekit-client: publishes a camera whose frames carry a number and a tone of known pitch,
// and tells what arrives of others. Loaded by browser.ts; `harness` is its only global.
/* global LivekitClient */
(() => {
  const { Room, RoomEvent, Track, LocalVideoTrack, LocalAudioTrack } = LivekitClient;
  const CELLS = 18; // white, black, then 16 bits of the frame number
  const events = [];
  const data = [];
  const viewers = new Map();
  const listeners = new Map();
  const peers = [];
  let room;

  const NativePeer = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends NativePeer {
    constructor(...args) {
      super(...args);
      peers.push(this);
    }
  };

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

  async function connect(url, token, roomOptions = {}, connectOptions = {}) {
    room = new Room(roomOptions);
    for (const name of Object.values(RoomEvent)) {
      room.on(name, (...args) => {
        if (name !== RoomEvent.ActiveSpeakersChanged)
          log(name, { about: args.map(describe).filter(Boolean).join(" ") });
      });
    }
    room.on(RoomEvent.DataReceived, (payload, from, _kind, topic) => {
      data.push({ text: new TextDecoder().decode(payload), from: from?.identity, topic });
    });
    room.on(RoomEvent.TrackSubscribed, (track, _publication, who) => watch(track, who.identity));
    room.on(RoomEvent.TrackUnsubscribed, (track, publication, who) => unwatch(track, who.identity, publication.source));
    const started = performance.now();
    await room.connect(url, token, connectOptions);
    return { ms: performance.now() - started, sid: room.localParticipant.sid, serverVersion: room.serverInfo?.version };
  }

  function describe(value) {
    if (typeof value === "string" || typeof value === "number") return String(value);
    return value?.identity ?? value?.trackSid ?? value?.sid ?? "";
  }

  /** A picture with a barcode of the frame number on top, so that a receiver can tell a moving from a frozen or repeated one. */
  function camera({ width = 640, height = 360, fps = 15 } = {}) {
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    const pen = canvas.getContext("2d");
    let number = 0;
    const draw = () => {
      number = (number + 1) & 0xffff;
      pen.fillStyle = `hsl(${(number * 3) % 360} 60% 45%)`;
      pen.fillRect(0, 0, width, height);
      pen.fillStyle = "#fff";
      pen.fillRect((number * 7) % width, height / 2, 40, 40);
      const cell = width / CELLS;
      for (let i = 0; i < CELLS; i++) {
        const bit = i === 0 ? 1 : i === 1 ? 0 : (number >> (i - 2)) & 1;
        pen.fillStyle = bit ? "#fff" : "#000";
        pen.fillRect(i * cell, 0, cell + 1, height / 6);
      }
    };
    draw();
    setInterval(draw, 1000 / fps);
    return canvas.captureStream(fps).getVideoTracks()[0];
  }

  function tone(hz) {
    const audio = new AudioContext();
    const source = new OscillatorNode(audio, { frequency: hz });
    const out = audio.createMediaStreamDestination();
    const gain = new GainNode(audio, { gain: 0.4 });
    source.connect(gain).connect(out);
    source.start();
    return out.stream.getAudioTracks()[0];
  }

  async function publishCamera({ options = {}, ...size } = {}) {
    const publication = await room.localParticipant.publishTrack(new LocalVideoTrack(camera(size), undefined, true), {
      source: Track.Source.Camera,
      ...options,
    });
    return publication.trackSid;
  }

  async function publishTone(hz, options = {}) {
    const publication = await room.localParticipant.publishTrack(new LocalAudioTrack(tone(hz), undefined, true), {
      source: Track.Source.Microphone,
      ...options,
    });
    return publication.trackSid;
  }

  /** The browser's own fake microphone: where Web Audio does not run without an audio device (Firefox). */
  async function publishFakeMicrophone() {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    const track = new LocalAudioTrack(stream.getAudioTracks()[0], undefined, true);
    return (await room.localParticipant.publishTrack(track, { source: Track.Source.Microphone })).trackSid;
  }

  const keyOf = (identity, source) => `${identity}/${source}`;

  function watch(track, identity) {
    const element = track.attach();
    element.muted = track.kind === "video";
    document.body.append(element);
    const key = keyOf(identity, track.source);
    if (track.kind === "audio") {
      listeners.get(key)?.close();
      const audio = new AudioContext();
      const analyser = new AnalyserNode(audio, { fftSize: 8192, smoothingTimeConstant: 0 });
      audio.createMediaStreamSource(new MediaStream([track.mediaStreamTrack])).connect(analyser);
      listeners.set(key, { analyser, close: () => audio.close() });
      return;
    }
    const view = {
      frames: 0,
      number: -1,
      backwards: 0,
      repeated: 0,
      longestGapMs: 0,
      lastAt: 0,
      width: 0,
      height: 0,
      element,
      stopped: false,
    };
    viewers.set(key, view);
    const canvas = new OffscreenCanvas(CELLS * 4, 4);
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    const onFrame = (now, meta) => {
      if (view.stopped) return;
      view.width = meta.width;
      view.height = meta.height;
      pen.drawImage(element, 0, 0, meta.width, meta.height / 8, 0, 0, CELLS * 4, 4);
      note(view, readNumber(pen), now);
      element.requestVideoFrameCallback(onFrame);
    };
    element.requestVideoFrameCallback(onFrame);
  }

  function readNumber(pen) {
    const pixels = pen.getImageData(0, 0, CELLS * 4, 4).data;
    const bright = (i) => pixels[(CELLS * 4 * 2 + i * 4 + 2) * 4 + 1] > 127;
    if (!bright(0) || bright(1)) return -1; // not our picture (yet)
    let number = 0;
    for (let i = 0; i < 16; i++) if (bright(i + 2)) number |= 1 << i;
    return number;
  }

  function note(view, number, now) {
    if (view.lastAt) view.longestGapMs = Math.max(view.longestGapMs, now - view.lastAt);
    view.lastAt = now;
    view.frames++;
    if (number < 0) return;
    if (number === view.number) view.repeated++;
    else if (view.number >= 0 && ((number - view.number) & 0xffff) > 0x8000) view.backwards++;
    view.number = number;
  }

  function unwatch(track, identity, source) {
    track.detach().forEach((element) => element.remove());
    const key = keyOf(identity, source);
    const view = viewers.get(key);
    if (view) view.stopped = true;
    viewers.delete(key);
    listeners.get(key)?.close();
    listeners.delete(key);
  }

  /** Loudest frequency that is heard of someone, and how loud (dB). */
  function heard(identity, source = "microphone") {
    const listener = listeners.get(keyOf(identity, source));
    if (!listener) return { hz: 0, db: -200 };
    const { analyser } = listener;
    const bins = new Float32Array(analyser.frequencyBinCount);
    analyser.getFloatFrequencyData(bins);
    let best = 2;
    for (let i = 2; i < bins.length; i++) if (bins[i] > bins[best]) best = i;
    return { hz: (best * analyser.context.sampleRate) / analyser.fftSize, db: bins[best] };
  }

  function seen(identity, source = "camera") {
    const view = viewers.get(keyOf(identity, source));
    if (!view) return undefined;
    const { element: _element, ...figures } = view;
    return figures;
  }

  async function stats(type) {
    const found = [];
    for (const peer of peers) {
      if (peer.connectionState === "closed") continue;
      for (const entry of (await peer.getStats()).values()) if (entry.type === type) found.push(entry);
    }
    return found;
  }

  async function codecOf(identity, source = "camera") {
    const publication = room.remoteParticipants.get(identity)?.getTrackPublication(source);
    const report = await publication?.track?.getRTCStatsReport();
    if (!report) return undefined;
    for (const s of report.values()) if (s.type === "inbound-rtp" && s.codecId) return report.get(s.codecId)?.mimeType;
    return undefined;
  }

  window.harness = {
    get room() {
      return room;
    },
    peers,
    events,
    data,
    connect,
    publishCamera,
    publishTone,
    publishFakeMicrophone,
    heard,
    seen,
    stats,
    codecOf,
    participants: () => [...(room?.remoteParticipants.keys() ?? [])].sort((a, b) => a.localeCompare(b)),
    send: (text, options) => room.localParticipant.publishData(new TextEncoder().encode(text), options),
    mute: (source, muted) => {
      const track = room.localParticipant.getTrackPublication(source).track;
      return muted ? track.mute() : track.unmute();
    },
    unpublish: (source) =>
      room.localParticipant.unpublishTrack(room.localParticipant.getTrackPublication(source).track),
    leave: () => room.disconnect(),
    /** The signal socket breaks under the client's feet. */
    breakSignal: () => sockets.at(-1).close(),
  };
})();
