/** Who controls: the role of a full agent and how two agents that claim the same one agree (RFC 8445 section 7.3.1.1). */
import type { StunMessage, TieBreaker } from "@stoa/wire/stun/message";
import type { Random } from "../crypto.ts";

/** See the file's head. */
export class IceRole {
  readonly #tieBreaker: TieBreaker;
  #controlling = true;

  constructor(random: Random) {
    this.#tieBreaker = { high: random.uint32(), low: random.uint32() };
  }

  get controlling(): boolean {
    return this.#controlling;
  }

  /** What a check of ours claims. */
  get attributes(): { readonly controlling?: TieBreaker; readonly controlled?: TieBreaker } {
    return this.#controlling ? { controlling: this.#tieBreaker } : { controlled: this.#tieBreaker };
  }

  /** The other side refused a check of ours that claimed `claimed`. True if our role changes. */
  refused(claimed: boolean): boolean {
    if (claimed !== this.#controlling) return false;
    this.#controlling = !claimed;
    return true;
  }

  /** A check of the other side's: "conflict" = it must change its role, "changed" = we have changed ours. */
  meet(request: StunMessage): "agreed" | "changed" | "conflict" {
    const theirs = this.#controlling ? request.controlling : request.controlled;
    if (!theirs) return "agreed";
    const { high, low } = this.#tieBreaker;
    const weWin = high > theirs.high || (high === theirs.high && low >= theirs.low);
    // The larger number is the controlling side.
    if (weWin === this.#controlling) return "conflict";
    this.#controlling = weWin;
    return "changed";
  }
}
