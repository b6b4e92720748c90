/**
 * What loss says about the link. Much loss is put to the test: the rate is cut to what arrives, and if the loss does not go away with it,
 * it is not congestion (a radio link that loses 5 % loses them at any rate): the cut is taken back and that much loss counts as usual.
 * If it goes away, a queue too short to be seen as delay (a policer) overflowed; on such a link less loss is enough for the next cut.
 */

/** Loss is judged in windows of at least a second and so many packets. */
const WINDOW_MS = 1000;
const WINDOW_PACKETS = 50;
/** A thin stream is judged after this long by fewer packets. */
const LONG_WINDOW_MS = 3000;
const FEW_PACKETS = 20;
/** Above what is usual. */
const SUSPICIOUS = 0.1;
/** The same on a link where loss meant congestion before … */
const SUSPICIOUS_POLICED = 0.03;
/** … within this time. */
const POLICED_MS = 60_000;
/** The loss went away if less than this share is left. */
const GONE = 0.5;
/** Of what arrives. */
const CUT = 0.95;
const USUAL_WEIGHT = 0.3;

export class LossControl {
  #arrived = 0;
  #lost = 0;
  #sinceMs = -1;
  #usual = 0;
  #policedUntilMs = -1;
  /** Windows left until the test ends. 0 = no test. */
  #testWindows = 0;
  #testedLoss = 0;
  #rateBefore = 0;
  readonly #testLength: number;
  readonly #deviations: number;

  /**
   * `testLength`: windows after a cut until its effect is judged; the first still hold packets from before. `deviations`: chance
   * alone makes the loss of a few packets look large; less than so many standard deviations are counted on before they are believed.
   */
  constructor(testLength: number, deviations: number) {
    this.#testLength = testLength;
    this.#deviations = deviations;
  }

  /** The link is being tested, or drops what is too much: others may not raise the rate on their own. */
  holds(nowMs: number): boolean {
    return this.#testWindows > 0 || nowMs < this.#policedUntilMs;
  }

  /** Notes packets that arrived, were lost, or (negative) turned out not to be lost. */
  add(arrived: number, lost: number): void {
    this.#arrived += arrived;
    this.#lost += lost;
  }

  /** The rate to go on with, by what was noted; `rateBps` 0 = unknown. */
  update(rateBps: number, ackedBps: number, nowMs: number): number {
    if (this.#sinceMs < 0) this.#sinceMs = nowMs;
    const packets = this.#arrived + this.#lost;
    const ageMs = nowMs - this.#sinceMs;
    const full = packets >= WINDOW_PACKETS && ageMs >= WINDOW_MS;
    if (!full && ageMs < LONG_WINDOW_MS) return rateBps;
    this.#sinceMs = nowMs;
    const loss = packets > 0 ? Math.min(Math.max(this.#lost / packets, 0), 1) : 0;
    const enough = packets >= FEW_PACKETS;
    if (enough && this.#mayBeChance(loss, packets, nowMs)) return rateBps;
    this.#arrived = 0;
    this.#lost = 0;
    return enough ? this.#judge(loss, rateBps, ackedBps, nowMs) : rateBps;
  }

  /** The delay said that it is congestion: no test is needed. */
  cancelTest(): void {
    this.#testWindows = 0;
  }

  /** The link has a queue that shows in the delay: loss is not its way to speak. */
  showsDelay(): void {
    this.#testWindows = 0;
    this.#policedUntilMs = -1;
  }

  /** Suspicious, but so few packets show that now and then by chance: this window goes on into the next, which makes it clear. */
  #mayBeChance(loss: number, packets: number, nowMs: number): boolean {
    if (this.#testWindows > 0 || nowMs < this.#policedUntilMs) return false;
    const excess = loss - this.#usual - SUSPICIOUS;
    return excess > 0 && excess <= this.#deviations * Math.sqrt((SUSPICIOUS * (1 - SUSPICIOUS)) / packets);
  }

  #judge(loss: number, rateBps: number, ackedBps: number, nowMs: number): number {
    if (this.#testWindows > 0) return --this.#testWindows > 0 ? rateBps : this.#concludeTest(loss, rateBps, nowMs);
    if (loss < this.#usual) this.#usual += (loss - this.#usual) * USUAL_WEIGHT;
    const suspicious = nowMs < this.#policedUntilMs ? SUSPICIOUS_POLICED : SUSPICIOUS;
    if (loss - this.#usual <= suspicious) return rateBps;
    const cut = ackedBps > 0 ? ackedBps * CUT : rateBps * (1 - loss / 2);
    if (cut <= 0) return rateBps;
    this.#testWindows = this.#testLength;
    this.#testedLoss = loss - this.#usual;
    this.#rateBefore = rateBps;
    return rateBps === 0 ? cut : Math.min(rateBps, cut);
  }

  #concludeTest(loss: number, rateBps: number, nowMs: number): number {
    if (loss - this.#usual < this.#testedLoss * GONE) {
      this.#policedUntilMs = nowMs + POLICED_MS;
      return rateBps;
    }
    this.#usual = loss;
    this.#policedUntilMs = -1;
    return this.#rateBefore === 0 ? 0 : Math.max(rateBps, this.#rateBefore);
  }
}
