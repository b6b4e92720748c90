import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { allocate, layerAt, MAX_SPATIAL, MAX_TEMPORAL, newTrackShare } from "./allocate.ts";
import type { AllocateOptions, Shared, TrackShare } from "./allocate.ts";

const SIMULCAST = [150, 500, 1700];

/** A track whose spatial layers need so many kbit/s. */
function track(kbps: readonly number[], more: Partial<TrackShare> = {}): TrackShare {
  const share = { ...newTrackShare(), ...more };
  for (const [spatial, rate] of kbps.entries()) share.bps[layerAt(spatial, 0)] = rate * 1000;
  return share;
}

/** A track that was paused, or held to a layer, before. */
function at(share: TrackShare, spatial: number, temporal = 0): TrackShare {
  return Object.assign(share, { spatial, temporal });
}

function share(tracks: readonly TrackShare[], kbps: number, more: Partial<AllocateOptions> = {}): Shared {
  const options = { budgetBps: kbps * 1000, holdBps: kbps * 1000, allowPause: false, mayRaise: true, ...more };
  return allocate(tracks, options, { allocatedBps: 0, desiredBps: 0, nextStepBps: 0, fell: false });
}

const spatials = (tracks: readonly TrackShare[]): number[] => tracks.map((t) => t.spatial);

describe("sharing", () => {
  test("without a known limit everybody gets all", () => {
    const tracks = [track(SIMULCAST), track(SIMULCAST)];
    const shared = share(tracks, 0);
    assert.deepEqual(spatials(tracks), [2, 2]);
    assert.deepEqual(shared, { allocatedBps: 3_400_000, desiredBps: 3_400_000, nextStepBps: 0, fell: false });
  });

  test("every picture lives before any is raised", () => {
    const tracks = [track(SIMULCAST), track(SIMULCAST), track(SIMULCAST)];
    const shared = share(tracks, 600);
    assert.deepEqual(spatials(tracks), [0, 0, 0]);
    assert.equal(shared.allocatedBps, 450_000);
    assert.equal(shared.nextStepBps, 350_000);
    assert.ok(shared.fell);
  });

  test("who has priority is raised first, in rounds", () => {
    const [plain, first] = [track(SIMULCAST), track(SIMULCAST, { priority: 9 })];
    share([plain, first], 700);
    assert.deepEqual(spatials([plain, first]), [0, 1]);
    share([plain, first], 1000);
    assert.equal(plain.spatial, 0, "the step up lacks its tenth of room");
    share([plain, first], 1100);
    assert.deepEqual(spatials([plain, first]), [1, 1], "nobody gets a second step before all had the first");
  });

  test("a screen share of one layer is never lowered", () => {
    const screen = track([2000], { unmanaged: true, priority: 255 });
    const camera = track(SIMULCAST);
    const shared = share([camera, screen], 1000);
    assert.equal(screen.spatial, 2);
    assert.equal(camera.spatial, 0);
    assert.equal(shared.allocatedBps, 2_150_000);
  });

  test("the lowest layer flows though it does not fit, unless tracks may pause", () => {
    const tracks = [track(SIMULCAST), track(SIMULCAST, { priority: 2 })];
    share(tracks, 200);
    assert.deepEqual(spatials(tracks), [0, 0]);
    share(tracks, 200, { allowPause: true });
    assert.deepEqual(spatials(tracks), [-1, 0], "the one of lower priority pauses");
    const nextStep = share(tracks, 310, { allowPause: true }).nextStepBps;
    assert.deepEqual(spatials(tracks), [-1, 0], "150 more need 165");
    assert.equal(nextStep, 150_000, "going on is the next step");
    share(tracks, 320, { allowPause: true });
    assert.deepEqual(spatials(tracks), [0, 0]);
  });

  test("what is off, or sends nothing, costs nothing", () => {
    const tracks = [track(SIMULCAST, { maxSpatial: -1 }), track([]), track(SIMULCAST)];
    const shared = share(tracks, 2000);
    assert.equal(shared.allocatedBps, 1_700_000);
    assert.equal(shared.nextStepBps, 0);
  });

  test("what is wanted is not exceeded, but a lone higher layer is better than nothing", () => {
    const low = track(SIMULCAST, { maxSpatial: 0 });
    assert.equal(share([low], 5000).allocatedBps, 150_000);
    const lone = track([0, 500], { maxSpatial: 0 });
    assert.equal(share([lone], 5000).allocatedBps, 500_000);
  });

  test("temporal layers: frames before pixels, and no jump to a quarter of the frames", () => {
    const share3 = newTrackShare();
    for (const [spatial, full] of [200, 600].entries()) {
      for (const [temporal, part] of [0.5, 0.75, 1].entries()) {
        share3.bps[layerAt(spatial, temporal)] = full * part * 1000;
      }
    }
    const granted = (kbps: number): number[] => {
      share([at(share3, 2, 3)], kbps);
      return [share3.spatial, share3.temporal];
    };
    assert.deepEqual(granted(120), [0, 0]);
    assert.deepEqual(granted(160), [0, 1]);
    assert.deepEqual(granted(320), [0, 2], "the base frames of the next picture would fit");
    assert.deepEqual(granted(460), [1, 1]);
    assert.deepEqual(granted(600), [2, 3]);
    share3.entry[1] = 2;
    assert.deepEqual(granted(590), [0, 2], "half of few frames stutters");
    share3.entry[1] = 3;
    assert.deepEqual(granted(600), [2, 3], "there is no such layer: all frames are meant");
  });
});

describe("steadiness", () => {
  test("a fall is at once, a raise needs room and time", () => {
    const one = [at(track(SIMULCAST), 1)];
    assert.ok(share(one, 499).fell);
    assert.deepEqual(spatials(one), [0]);
    share(one, 530);
    assert.deepEqual(spatials(one), [0], "35 more than the step are asked for");
    share(one, 600, { mayRaise: false });
    assert.deepEqual(spatials(one), [0], "too soon");
    share(one, 600);
    assert.deepEqual(spatials(one), [1]);
    share(one, 500);
    assert.deepEqual(spatials(one), [1], "what it stands on just fits");
  });
});

test("what flows may go on above the budget while nothing says that it is too much", () => {
  const tracks = [at(track(SIMULCAST), 1), at(track(SIMULCAST), 0)];
  share(tracks, 600, { holdBps: 0 });
  assert.deepEqual(spatials(tracks), [1, 0], "650 flow, and nothing is raised");
  share(tracks, 600, { holdBps: 640_000 });
  assert.deepEqual(spatials(tracks), [0, 0]);
});

describe("whatever the table says", () => {
  const anyTrack = fc
    .record({
      bps: fc.array(fc.integer({ min: 0, max: 3_000_000 }), { minLength: 12, maxLength: 12 }),
      maxSpatial: fc.integer({ min: -1, max: MAX_SPATIAL - 1 }),
      maxTemporal: fc.integer({ min: 0, max: MAX_TEMPORAL - 1 }),
      priority: fc.integer({ min: 1, max: 255 }),
      spatial: fc.integer({ min: -1, max: MAX_SPATIAL - 1 }),
      temporal: fc.integer({ min: 0, max: MAX_TEMPORAL - 1 }),
      entry: fc.array(fc.integer({ min: 0, max: MAX_TEMPORAL - 1 }), { minLength: 3, maxLength: 3 }),
    })
    .map((given): TrackShare => ({
      ...given,
      bps: Float64Array.from(given.bps),
      entry: Int8Array.from(given.entry),
      unmanaged: false,
    }));
  const anyTracks = fc.array(anyTrack, { maxLength: 8 });
  const copy = (tracks: readonly TrackShare[]): TrackShare[] => tracks.map((t) => ({ ...t }));

  test("the sum stays within the budget if tracks may pause, and no layer above what is wanted costs anything", () => {
    fc.assert(
      fc.property(anyTracks, fc.integer({ min: 1, max: 10_000 }), fc.boolean(), (tracks, kbps, mayRaise) => {
        const shared = share(tracks, kbps, { allowPause: true, mayRaise });
        assert.ok(shared.allocatedBps <= kbps * 1000);
        assert.ok(shared.allocatedBps <= shared.desiredBps);
      }),
    );
  });

  test("otherwise it exceeds the budget only by lowest layers", () => {
    fc.assert(
      fc.property(anyTracks, fc.integer({ min: 1, max: 10_000 }), (tracks, kbps) => {
        const lowest = share(copy(tracks), 0.001).allocatedBps;
        const shared = share(tracks, kbps);
        assert.ok(shared.allocatedBps <= Math.max(kbps * 1000, lowest));
        for (const t of tracks) assert.ok(t.spatial >= 0 && t.temporal >= 0);
      }),
    );
  });

  test("more budget never gives one track less", () => {
    fc.assert(
      fc.property(anyTrack, fc.integer({ min: 1, max: 5000 }), fc.nat(5000), (one, kbps, more) => {
        const [less, rich] = [copy([one]), copy([one])];
        assert.ok(share(less, kbps).allocatedBps <= share(rich, kbps + more).allocatedBps);
      }),
    );
  });

  test("doing it again changes nothing", () => {
    fc.assert(
      fc.property(anyTracks, fc.integer({ min: 1, max: 10_000 }), (tracks, kbps) => {
        share(tracks, kbps, { mayRaise: false });
        const once = tracks.map((t) => [t.spatial, t.temporal]);
        assert.equal(share(tracks, kbps, { mayRaise: false }).fell, false);
        assert.deepEqual(
          tracks.map((t) => [t.spatial, t.temporal]),
          once,
        );
      }),
    );
  });
});
