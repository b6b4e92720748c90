// One tile per camera and per shared screen, with its live figures: bitrate, size, round-trip time.
import { Track } from "./livekit-client.mjs";

const MUTED = `<svg class="mark" viewBox="0 0 24 24" role="img" aria-label="muted"><title>muted</title><path
  d="M9 9v3a3 3 0 0 0 5 2.200 M15 11V6a3 3 0 0 0-5.800-1 M5 11a7 7 0 0 0 11.500 5.400 M19 11a7 7 0 0 1-.600 2.800 M12 18v3 M4 3l16 18"/></svg>`;
const COLOURS = ["#1f6f5c", "#7a4b94", "#b0562b", "#2f6db3", "#94723a", "#a03e5e"];

/** Keeps the tiles of a grid in step with a room: shared screens first and large, faces beside or below them. */
export class Tiles {
  #grid;
  #room;
  #screens = document.createElement("div");
  #faces = document.createElement("div");
  #tiles = new Map();
  #timer;
  #resized = new ResizeObserver(() => this.#arrange());

  constructor(grid, room) {
    this.#grid = grid;
    this.#room = room;
    this.#screens.className = "screens";
    this.#faces.className = "faces";
    grid.replaceChildren(this.#screens, this.#faces);
    this.#resized.observe(grid);
    this.#timer = setInterval(() => void this.#measure(), 1000);
  }

  close() {
    clearInterval(this.#timer);
    this.#resized.disconnect();
    for (const tile of this.#tiles.values()) tile.close();
    this.#tiles.clear();
    this.#grid.replaceChildren();
  }

  refresh() {
    const wanted = new Set();
    for (const person of [this.#room.localParticipant, ...this.#room.remoteParticipants.values()]) {
      for (const source of [Track.Source.Camera, Track.Source.ScreenShare]) {
        const publication = person.getTrackPublication(source);
        const screen = source === Track.Source.ScreenShare;
        if (screen && !publication?.track) continue;
        const key = `${person.identity}/${source}`;
        wanted.add(key);
        if (!this.#tiles.has(key)) this.#tiles.set(key, new Tile(screen ? this.#screens : this.#faces, person, source));
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

  #arrange() {
    this.#grid.classList.toggle("upright", this.#grid.clientHeight > this.#grid.clientWidth);
    this.#grid.classList.toggle("sharing", this.#screens.children.length > 0);
    fill(this.#screens);
    const columns = fill(this.#faces);
    // Faces below a shared screen stay smaller than it.
    const mostPx = 0.9 * columns * (this.#screens.firstChild?.clientHeight ?? 0);
    this.#faces.style.setProperty("--most", `${mostPx}px`);
  }

  async #measure() {
    await Promise.all([...this.#tiles.values()].map((tile) => tile.measure()));
  }
}

/** Widths by heights of the flattest and the highest tile: what a picture of 16:9 loses at its sides stays bearable. */
const FLAT = 16 / 9;
const HIGH = 4 / 3;
/** In an upright place tiles may be square. */
const HIGH_UPRIGHT = 1;

/** Lays the tiles of a part out; how many stand side by side. */
function fill(part) {
  const { clientWidth: width, clientHeight: height } = part;
  const { columns, rows } = bestGrid(part.children.length, width, height);
  part.style.setProperty("--columns", columns);
  part.style.setProperty("--rows", rows);
  part.style.setProperty("--highest", `${width / columns / (width > height ? HIGH : HIGH_UPRIGHT)}px`);
  return columns;
}

/** The columns and rows in which `count` pictures are largest. */
function bestGrid(count, width, height) {
  const shape = width > height ? FLAT : HIGH_UPRIGHT;
  let best = { columns: 1, rows: Math.max(1, count), size: 0 };
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const size = Math.min(width / columns, (height / rows) * shape);
    if (size > best.size) best = { columns, rows, size };
  }
  return best;
}

class Tile {
  #person;
  #source;
  #box = document.createElement("article");
  #face = document.createElement("div");
  #name = document.createElement("div");
  #stats = document.createElement("div");
  #figures = ["size", "rate", "rtt"].map((name) => {
    const figure = document.createElement("span");
    figure.className = name;
    return figure;
  });
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
    this.#name.innerHTML = `<span></span>${MUTED}`;
    this.#stats.className = "stats";
    this.#stats.hidden = true;
    this.#stats.append(...this.#figures);
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
    const name = this.#person.name || this.#person.identity;
    this.#name.firstChild.textContent = screen
      ? local
        ? "Your screen"
        : `${name}’s screen`
      : local
        ? `${name} (you)`
        : name;
    this.#name.classList.toggle("muted", !screen && !this.#person.isMicrophoneEnabled);
  }

  async measure() {
    const heard = this.#person.isMicrophoneEnabled ? this.#audio : undefined;
    const track = this.#track ?? heard;
    const report = await track?.getRTCStatsReport().catch(() => undefined);
    if (!report) return this.#forget();
    const figures = read(report);
    const now = performance.now();
    const kbps = ((figures.bytes - this.#last.bytes) * 8) / (now - this.#last.at);
    const first = this.#last.at === 0;
    this.#last = { bytes: figures.bytes, at: now };
    if (first || kbps < 0) return;
    const [size, rate, rtt] = this.#figures;
    size.textContent = `${figures.width ? `${figures.width}×${figures.height}` : track.kind === "audio" ? "audio" : "–"} · `;
    rate.textContent = kbps < 1000 ? `${Math.round(kbps)} kbit/s` : `${(kbps / 1000).toFixed(1)} Mbit/s`;
    rtt.textContent = ` · ${figures.rtt === undefined ? "–" : `${Math.round(figures.rtt * 1000)} ms`}`;
    this.#stats.hidden = false;
  }

  /** No figures of what is no longer shown. */
  #forget() {
    this.#last = { bytes: 0, at: 0 };
    this.#stats.hidden = true;
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
    this.#forget();
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
