// One tile per camera and per shared screen, with its live figures: bitrate, size, round-trip time.
import { Track } from "./livekit-client.mjs";

const COLOURS = ["#1f6f5c", "#7a4b94", "#b0562b", "#2f6db3", "#94723a", "#a03e5e"];

/** Keeps the tiles of a grid in step with a room. */
export class Tiles {
  #grid;
  #room;
  #tiles = new Map();
  #timer;
  #onResize = () => this.#arrange();

  constructor(grid, room) {
    this.#grid = grid;
    this.#room = room;
    addEventListener("resize", this.#onResize);
    this.#timer = setInterval(() => void this.#measure(), 1000);
  }

  close() {
    clearInterval(this.#timer);
    removeEventListener("resize", this.#onResize);
    for (const tile of this.#tiles.values()) tile.close();
    this.#tiles.clear();
    this.#grid.replaceChildren();
  }

  refresh() {
    const wanted = new Set();
    for (const person of [this.#room.localParticipant, ...this.#room.remoteParticipants.values()]) {
      for (const source of [Track.Source.Camera, Track.Source.ScreenShare]) {
        const publication = person.getTrackPublication(source);
        if (source === Track.Source.ScreenShare && !publication?.track) continue;
        const key = `${person.identity}/${source}`;
        wanted.add(key);
        if (!this.#tiles.has(key)) this.#tiles.set(key, new Tile(this.#grid, person, source));
        this.#tiles.get(key).refresh();
      }
    }
    for (const [key, tile] of this.#tiles) {
      if (wanted.has(key)) continue;
      tile.close();
      this.#tiles.delete(key);
    }
    this.#arrange();
  }

  /** Upright, a shared screen takes the width and faces stand below it. */
  #arrange() {
    const upright = innerHeight > innerWidth;
    const count = this.#tiles.size;
    const screens = upright
      ? [...this.#tiles.keys()].filter((key) => key.endsWith(`/${Track.Source.ScreenShare}`)).length
      : 0;
    const faces = count - screens;
    const columns = upright ? (faces + 2 * screens > 3 ? 2 : 1) : Math.ceil(Math.sqrt(count));
    this.#grid.classList.toggle("upright", upright);
    this.#grid.style.setProperty("--columns", Math.max(1, columns));
    this.#grid.style.setProperty("--rows", Math.max(1, screens + Math.ceil(faces / Math.max(1, columns))));
  }

  async #measure() {
    await Promise.all([...this.#tiles.values()].map((tile) => tile.measure()));
  }
}

class Tile {
  #person;
  #source;
  #box = document.createElement("article");
  #face = document.createElement("div");
  #name = document.createElement("div");
  #stats = document.createElement("div");
  #video;
  #track;
  #audio;
  #last = { bytes: 0, at: 0 };

  constructor(grid, person, source) {
    this.#person = person;
    this.#source = source;
    this.#box.className = "tile";
    this.#face.className = "face";
    this.#face.textContent = [...(person.name || person.identity)][0]?.toUpperCase() ?? "?";
    this.#face.style.background = COLOURS[hash(person.identity) % COLOURS.length];
    this.#name.className = "name";
    this.#stats.className = "stats";
    this.#box.append(this.#face, this.#stats, this.#name);
    this.#box.dataset.identity = person.identity;
    this.#box.dataset.source = source;
    grid.append(this.#box);
  }

  refresh() {
    const screen = this.#source === Track.Source.ScreenShare;
    const local = this.#person.isLocal;
    const publication = this.#person.getTrackPublication(this.#source);
    this.#show(publication && !publication.isMuted ? publication.track : undefined);
    if (!local)
      this.#hear(
        this.#person.getTrackPublication(screen ? Track.Source.ScreenShareAudio : Track.Source.Microphone)?.track,
      );
    this.#box.classList.toggle("screen", screen);
    this.#box.classList.toggle("mirror", local && !screen);
    this.#box.classList.toggle("speaking", this.#person.isSpeaking && !screen);
    this.#name.textContent =
      (this.#person.name || this.#person.identity) + (local ? " (you)" : "") + (screen ? "’s screen" : "");
    this.#name.classList.toggle("muted", !screen && !this.#person.isMicrophoneEnabled);
  }

  async measure() {
    const track = this.#track ?? this.#audio;
    const report = await track?.getRTCStatsReport().catch(() => undefined);
    if (!report) return void (this.#stats.textContent = "");
    const figures = read(report);
    const now = performance.now();
    const kbps = ((figures.bytes - this.#last.bytes) * 8) / (now - this.#last.at);
    const first = this.#last.at === 0;
    this.#last = { bytes: figures.bytes, at: now };
    if (first || kbps < 0) return;
    const size = figures.width ? `${figures.width}×${figures.height}` : track.kind === "audio" ? "audio" : "–";
    const rtt = figures.rtt === undefined ? "–" : `${Math.round(figures.rtt * 1000)} ms`;
    this.#stats.textContent = `${size} · ${kbps < 1000 ? `${Math.round(kbps)} kbit/s` : `${(kbps / 1000).toFixed(1)} Mbit/s`} · ${rtt}`;
  }

  close() {
    this.#show(undefined);
    this.#hear(undefined);
    this.#box.remove();
  }

  #show(track) {
    if (this.#track === track) return;
    if (this.#video) this.#track?.detach(this.#video);
    this.#video?.remove();
    this.#track = track;
    this.#last = { bytes: 0, at: 0 };
    this.#video = track?.attach();
    if (!this.#video) return;
    this.#video.muted = true;
    this.#video.playsInline = true;
    this.#box.insertBefore(this.#video, this.#stats);
  }

  #hear(track) {
    if (this.#audio === track) return;
    this.#audio?.detach().forEach((element) => element.remove());
    this.#audio = track;
    const element = track?.attach();
    if (element) this.#box.append(element);
  }
}

function read(report) {
  const figures = { bytes: 0, width: 0, height: 0, rtt: undefined };
  for (const s of report.values()) {
    if (s.type === "inbound-rtp" || s.type === "outbound-rtp") {
      figures.bytes += s.bytesReceived ?? s.bytesSent ?? 0;
      // Simulcast sends several sizes: the largest that is alive.
      if (s.frameWidth > figures.width && s.framesPerSecond !== 0)
        [figures.width, figures.height] = [s.frameWidth, s.frameHeight];
    }
    if (s.type === "candidate-pair" && s.currentRoundTripTime !== undefined) figures.rtt = s.currentRoundTripTime;
    if (s.type === "remote-inbound-rtp" && s.roundTripTime !== undefined) figures.rtt ??= s.roundTripTime;
  }
  return figures;
}

function hash(text) {
  let h = 0;
  for (const c of text) h = (h * 31 + c.codePointAt(0)) >>> 0;
  return h;
}
