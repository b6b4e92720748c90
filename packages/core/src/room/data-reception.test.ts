import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_DATA_HANDLE, newDataReception, takeHandle } from "./data-reception.ts";
import type { PublishedDataTrack } from "./data-track.ts";

/** One that notices when it is asked without end. */
class Handles extends Map<number, PublishedDataTrack> {
  #asked = 0;

  override has(handle: number): boolean {
    assert.ok(++this.#asked < 4 * MAX_DATA_HANDLE, "the search for a free handle does not end");
    return super.has(handle);
  }
}

test("when all handles are taken there is none, and one that comes back is the next", () => {
  const random = { uint32: () => 77, bytes: (length: number) => new Uint8Array(length) };
  const reception = { ...newDataReception(), handles: new Handles() };
  const track = {} as PublishedDataTrack;
  for (let i = 0; i < MAX_DATA_HANDLE; i++) {
    const handle = takeHandle(reception, random);
    assert.ok(handle >= 1 && handle <= MAX_DATA_HANDLE);
    reception.handles.set(handle, track);
  }
  assert.deepEqual([reception.handles.size, takeHandle(reception, random)], [MAX_DATA_HANDLE, 0]);
  reception.handles.delete(500);
  assert.equal(takeHandle(reception, random), 500);
});
