/**
 * What a browser believes about its downlink, and says by REMB: the receive-side estimator of libwebrtc that reads absolute send times. Its parts
 * and their figures are those of the original: groups of 5 ms, a Kalman filter for the gradient of the delay, a detector that wants a tenth of a
 * second of overuse, and a rate that falls to 85 % of what came in within a second and rises by a fraction of a packet for every response time.
 * Not modelled: what it makes of the first two seconds, when it looks for probes among packets that a sender would have paced.
 */
import { ArrivalGroups } from "@stoa/core/congestion/arrival-groups";

/** The browser counts payloads; this much of each packet is header. */
const HEADER_BYTES = 24;

const NORMAL = 0;
const OVERUSE = 1;
const UNDERUSE = 2;
type Usage = 0 | 1 | 2;

/** The gradient of the delay, told apart from what the size of a group adds to it. */
class DelayGradient {
  offset = 0;
  deltas = 0;
  #slope = 8 / 512;
  #formerOffset = 0;
  #avgNoise = 0;
  #varNoise = 50;
  /** Covariance of slope and offset. */
  #e00 = 100;
  #e01 = 0;
  #e10 = 0;
  #e11 = 0.1;
  readonly #periodsMs: number[] = [];

  update(arrivalDeltaMs: number, sentDeltaMs: number, sizeDelta: number, usage: Usage): void {
    const periodMs = Math.min(sentDeltaMs, ...this.#periodsMs);
    if (this.#periodsMs.length >= 60) this.#periodsMs.shift();
    this.#periodsMs.push(sentDeltaMs);
    this.deltas = Math.min(this.deltas + 1, 1000);
    this.#e00 += 1e-13;
    this.#e11 += 1e-3;
    const turns =
      (usage === OVERUSE && this.offset < this.#formerOffset) ||
      (usage === UNDERUSE && this.offset > this.#formerOffset);
    if (turns) this.#e11 += 10 * 1e-3;
    const h0 = this.#e00 * sizeDelta + this.#e01;
    const h1 = this.#e10 * sizeDelta + this.#e11;
    const residual = arrivalDeltaMs - sentDeltaMs - this.#slope * sizeDelta - this.offset;
    const most = 3 * Math.sqrt(this.#varNoise);
    if (usage === NORMAL) this.#listen(Math.min(Math.max(residual, -most), most), periodMs);
    const sum = this.#varNoise + sizeDelta * h0 + h1;
    const k0 = h0 / sum;
    const k1 = h1 / sum;
    const { e00, e01 } = { e00: this.#e00, e01: this.#e01 };
    this.#e00 = e00 * (1 - k0 * sizeDelta) - this.#e10 * k0;
    this.#e01 = e01 * (1 - k0 * sizeDelta) - this.#e11 * k0;
    this.#e10 = -e00 * k1 * sizeDelta + this.#e10 * (1 - k1);
    this.#e11 = -e01 * k1 * sizeDelta + this.#e11 * (1 - k1);
    this.#slope += k0 * residual;
    this.#formerOffset = this.offset;
    this.offset += k1 * residual;
  }

  #listen(residual: number, periodMs: number): void {
    const alpha = this.deltas > 300 ? 0.002 : 0.01;
    const keep = (1 - alpha) ** ((periodMs * 30) / 1000);
    this.#avgNoise = keep * this.#avgNoise + (1 - keep) * residual;
    this.#varNoise = Math.max(1, keep * this.#varNoise + (1 - keep) * (this.#avgNoise - residual) ** 2);
  }
}

const OVERUSE_MS = 100;

class Detector {
  usage: Usage = NORMAL;
  #threshold = 12.5;
  #formerOffset = 0;
  #overMs = -1;
  #overGroups = 0;
  #updatedMs = -1;

  update({ offset, deltas }: DelayGradient, sentDeltaMs: number, nowMs: number): void {
    if (deltas < 2) return;
    const trend = Math.min(deltas, 60) * offset;
    if (trend > this.#threshold) {
      this.#overMs = this.#overMs < 0 ? sentDeltaMs / 2 : this.#overMs + sentDeltaMs;
      this.#overGroups++;
      if (this.#overMs > OVERUSE_MS && this.#overGroups > 1 && offset >= this.#formerOffset) {
        this.#overMs = 0;
        this.#overGroups = 0;
        this.usage = OVERUSE;
      }
    } else {
      this.#overMs = -1;
      this.#overGroups = 0;
      this.usage = trend < -this.#threshold ? UNDERUSE : NORMAL;
    }
    this.#formerOffset = offset;
    const stepMs = this.#updatedMs < 0 ? 0 : Math.min(nowMs - this.#updatedMs, 100);
    this.#updatedMs = nowMs;
    const size = Math.abs(trend);
    if (size > this.#threshold + 15) return;
    const gain = size < this.#threshold ? 0.039 : 0.0087;
    this.#threshold = Math.min(Math.max(this.#threshold + gain * (size - this.#threshold) * stepMs, 6), 600);
  }
}

/** What the link carried when it was full, and how much that varies. */
class LinkCapacity {
  bps = 0;
  #deviation = 0.4;

  /** How far from `bps` a rate may be that is still the same link. */
  get #spreadBps(): number {
    return 3000 * Math.sqrt((this.#deviation * this.bps) / 1000);
  }

  isBelow(bps: number): boolean {
    return this.bps > 0 && bps > this.bps + this.#spreadBps;
  }

  isAbove(bps: number): boolean {
    return this.bps > 0 && bps < this.bps - this.#spreadBps;
  }

  overused(bps: number): void {
    this.bps = this.bps === 0 ? bps : 0.95 * this.bps + 0.05 * bps;
    const errorKbps = (this.bps - bps) / 1000;
    const deviation = 0.95 * this.#deviation + (0.05 * errorKbps ** 2) / Math.max(this.bps / 1000, 1);
    this.#deviation = Math.min(Math.max(deviation, 0.4), 2.5);
  }
}

/** Bits per second over the last second. */
class Incoming {
  readonly #packets: { atMs: number; bytes: number }[] = [];
  #bytes = 0;

  add(nowMs: number, bytes: number): void {
    this.#packets.push({ atMs: nowMs, bytes });
    this.#bytes += bytes;
  }

  /** 0 = too little came to say. */
  bps(nowMs: number): number {
    while (this.#packets[0] && this.#packets[0].atMs <= nowMs - 1000) this.#bytes -= this.#packets.shift()!.bytes;
    if (this.#packets.length < 2) return 0;
    const spanMs = nowMs - this.#packets[0]!.atMs + 1;
    return spanMs <= 1 ? 0 : (this.#bytes * 8000) / spanMs;
  }
}

const BETA = 0.85;
const EXTRA_BACKOFF_BPS = 5000;
/** A client that sends no media never learns its round trip. */
const RTT_MS = 200;
/** Without overuse the first estimate is what comes in after this. */
const INITIAL_MS = 5000;
/** The estimate is worked out this often, and sent no more often … */
const UPDATE_MS = 200;
/** … unless it has fallen. */
const DECREASED = 1.03;
const MIN_BPS = 5000;

/** What a browser believes. */
export class BrowserEstimate {
  readonly #groups = new ArrivalGroups();
  readonly #gradient = new DelayGradient();
  readonly #detector = new Detector();
  readonly #link = new LinkCapacity();
  readonly #incoming = new Incoming();
  #groupBytes = 0;
  #formerBytes = 0;
  /** 0 = none yet. */
  #bps = 0;
  #holds = true;
  #firstMs = -1;
  #changedMs = 0;
  #updatedMs = -1;
  #saidMs = -1e12;
  #saidBps = Infinity;
  #toSayBps = 0;

  /** A packet of so many bytes, its header included. */
  arrived(sentMs: number, bytes: number, nowMs: number): void {
    const payload = bytes - HEADER_BYTES;
    this.#incoming.add(nowMs, payload);
    if (this.#groups.add(sentMs, nowMs)) {
      const { sentDeltaMs, arrivalDeltaMs } = this.#groups;
      this.#gradient.update(arrivalDeltaMs, sentDeltaMs, this.#groupBytes - this.#formerBytes, this.#detector.usage);
      this.#detector.update(this.#gradient, sentDeltaMs, nowMs);
      this.#formerBytes = this.#groupBytes;
      this.#groupBytes = 0;
    }
    this.#groupBytes += payload;
    const incoming = this.#incoming.bps(nowMs);
    const due = nowMs - this.#updatedMs > UPDATE_MS || this.#mustFall(incoming, nowMs);
    if (!due) return;
    this.#update(incoming, nowMs);
    if (this.#bps === 0) return;
    this.#updatedMs = nowMs;
    if (this.#bps * DECREASED > this.#saidBps && nowMs < this.#saidMs + UPDATE_MS) return;
    this.#saidMs = nowMs;
    this.#saidBps = this.#toSayBps = this.#bps;
  }

  /** The value to send now; 0 = none. */
  poll(): number {
    const bps = this.#toSayBps;
    this.#toSayBps = 0;
    return bps;
  }

  #mustFall(incoming: number, nowMs: number): boolean {
    if (this.#detector.usage !== OVERUSE || incoming === 0) return false;
    return nowMs - this.#changedMs >= RTT_MS || (this.#bps > 0 && incoming < this.#bps / 2);
  }

  #update(incoming: number, nowMs: number): void {
    const { usage } = this.#detector;
    if (incoming === 0) return;
    if (this.#bps === 0) {
      if (this.#firstMs < 0) this.#firstMs = nowMs;
      else if (nowMs - this.#firstMs > INITIAL_MS) this.#bps = incoming;
      if (this.#bps === 0 && usage !== OVERUSE) return;
    }
    if (usage === OVERUSE) return this.#decrease(incoming, nowMs);
    if (usage === UNDERUSE) {
      this.#holds = true;
      return;
    }
    if (this.#holds) this.#changedMs = nowMs;
    this.#holds = false;
    this.#increase(incoming, nowMs);
  }

  #increase(incoming: number, nowMs: number): void {
    if (this.#link.isBelow(incoming)) this.#link.bps = 0;
    const most = 1.5 * incoming + 10_000;
    const seconds = (nowMs - this.#changedMs) / 1000;
    this.#changedMs = nowMs;
    if (this.#bps >= most) return;
    const growth =
      this.#link.bps > 0
        ? this.#growthNearBps() * seconds
        : Math.max(this.#bps * (1.08 ** Math.min(seconds, 1) - 1), 1000);
    this.#bps = Math.min(this.#bps + growth, most);
  }

  /** Each second, near what the link carries. */
  #growthNearBps(): number {
    const frameBits = this.#bps / 30;
    const packetBits = frameBits / Math.ceil(frameBits / 9600);
    return Math.max(4000, (packetBits * 1000) / ((RTT_MS + 100) * 2));
  }

  #decrease(incoming: number, nowMs: number): void {
    this.#changedMs = nowMs;
    this.#holds = true;
    let target = BETA * incoming;
    if (target > EXTRA_BACKOFF_BPS) target -= EXTRA_BACKOFF_BPS;
    if (this.#bps > 0 && target > this.#bps && this.#link.bps > 0) target = BETA * this.#link.bps;
    this.#bps = Math.max(MIN_BPS, this.#bps === 0 ? target : Math.min(this.#bps, target));
    if (this.#link.isAbove(incoming)) this.#link.bps = 0;
    this.#link.overused(incoming);
  }
}
