/** For tests: one SVC stream on its way to one viewer. */
import { AV1, VP9 } from "./harness-specs.test.ts";
import type { Rtp } from "./harness-packets.test.ts";
import { Rig } from "./rig.test.ts";
import { DESCRIPTOR_ID, SvcEncoder, assertDecodable, readSeen, shown } from "./svc-encoder.test.ts";
import type { EncoderOptions, Frame, MODES, Seen } from "./svc-encoder.test.ts";
import type { Mode } from "./svc-modes.test.ts";

/** A publisher and one viewer, picture by picture; key frames come when the viewer's stream asks for one. */
export class Call {
  readonly rig: Rig;
  readonly encoder: SvcEncoder;
  readonly frames: Frame[] = [];
  readonly #packets: Rtp[] = [];
  seen: Seen[] = [];
  keyFrames = 0;
  /** The publisher does as it is asked. */
  obeys = true;

  constructor(mode: keyof typeof MODES | Mode, options: EncoderOptions = {}) {
    const codec = options.mime === "av1" ? AV1 : VP9;
    const extensions = { dependencyDescriptor: DESCRIPTOR_ID };
    this.rig = new Rig({ codecs: [codec], extensions }, { codecs: [codec], extensions });
    this.encoder = new SvcEncoder(mode, options);
  }

  run(pictures: number): string {
    const from = this.seen.length;
    for (let i = 0; i < pictures; i++) {
      const key = this.frames.length === 0 || (this.obeys && this.rig.downlink.wantsKeyFrame);
      if (key) this.keyFrames++;
      const picture = this.encoder.next(key);
      this.frames.push(...picture);
      // Frames may come in batches of their own.
      for (const frame of picture) {
        for (const packet of frame.packets) this.rig.feed(packet);
        this.rig.flush();
      }
      this.rig.advance(33);
    }
    this.#packets.push(...this.rig.take());
    this.seen = readSeen(this.#packets);
    return shown(this.seen.slice(from));
  }

  want(maxSpatial: number): void {
    this.rig.downlink.setSettings({ disabled: false, maxSpatial, fps: 0, priority: 0 });
  }

  check(): void {
    assertDecodable(this.seen, this.frames);
  }
}
