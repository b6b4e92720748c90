import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  DataBlob,
  DataBlobKey,
  DataTrackSchemaEncoding,
  DataTrackSchemaId,
  GetDataBlobRequest,
  LeaveRequest,
  RequestResponse_Reason,
  StoreDataBlobRequest,
} from "@livekit/protocol";
import fc from "fast-check";
import type { Client } from "../harness-client.test.ts";
import { World } from "../harness.test.ts";

const { INVALID_REQUEST, LIMIT_EXCEEDED, NOT_ALLOWED, NOT_FOUND } = RequestResponse_Reason;
const POLICY = { keyBytes: 16, encodingBytes: 4, totalBytes: 100 };

function newWorld(): World {
  return new World({}, {}, { dataBlobs: POLICY });
}

function generic(value: string): DataBlobKey {
  return new DataBlobKey({ key: { case: "generic", value } });
}

function schema(name: string, custom?: string): DataBlobKey {
  const encoding = new DataTrackSchemaEncoding(
    custom === undefined ? {} : { value: { case: "custom", value: custom } },
  );
  return new DataBlobKey({ key: { case: "schemaId", value: new DataTrackSchemaId({ name, encoding }) } });
}

function store(client: Client, key: DataBlobKey | undefined, contents: Uint8Array, requestId = 1): void {
  const blob = new DataBlob(key ? { key, contents } : { contents });
  client.request({ case: "storeDataBlobRequest", value: new StoreDataBlobRequest({ requestId, blob }) });
}

function fetchBlob(client: Client, participantIdentity: string, key?: DataBlobKey): void {
  const value = new GetDataBlobRequest({ requestId: 9, participantIdentity, ...(key && { key }) });
  client.request({ case: "getDataBlobRequest", value });
}

function bytes(length: number, fill = 1): Uint8Array {
  return new Uint8Array(length).fill(fill);
}

describe("data blobs", () => {
  test("what one leaves, another fetches; a second one under the same key takes its place", () => {
    const world = newWorld();
    const alice = world.connect("alice");
    const bob = world.connect("bob");
    for (const key of [generic("a"), schema("a"), schema("a", "xml")]) {
      store(alice, key, bytes(10), 5);
      assert.deepEqual(alice.last("storeDataBlobResponse")?.toJson(), { requestId: 5, key: key.toJson() });
    }
    store(alice, generic("a"), bytes(20, 2));
    fetchBlob(bob, "alice", generic("a"));
    assert.deepEqual(bob.last("getDataBlobResponse")?.blob?.contents, bytes(20, 2));
    assert.equal(bob.last("getDataBlobResponse")?.requestId, 9);
    fetchBlob(bob, "alice", schema("a", "xml"));
    assert.deepEqual(bob.last("getDataBlobResponse")?.blob?.contents, bytes(10));
    assert.equal(alice.last("requestResponse"), undefined);
  });

  for (const [what, key, length, reason] of [
    ["no key", undefined, 1, INVALID_REQUEST],
    ["a key without a case", new DataBlobKey(), 1, INVALID_REQUEST],
    ["an empty key", generic(""), 1, INVALID_REQUEST],
    ["a long key", generic("é".repeat(9)), 1, INVALID_REQUEST],
    ["a long name of a schema", schema("x".repeat(17)), 1, INVALID_REQUEST],
    ["an encoding without a name", schema("x", ""), 1, INVALID_REQUEST],
    ["an encoding with a long name", schema("x", "12345"), 1, INVALID_REQUEST],
    ["no contents", generic("a"), 0, INVALID_REQUEST],
    ["too much", generic("a"), 100, LIMIT_EXCEEDED],
  ] as const) {
    test(`${what} is refused, and nothing is kept`, () => {
      const world = newWorld();
      const alice = world.connect("alice");
      store(alice, key, bytes(length), 3);
      const { reason: told, requestId } = alice.last("requestResponse")!;
      assert.deepEqual([told, requestId], [reason, 3]);
      assert.equal(alice.last("storeDataBlobResponse"), undefined);
      if (!key) return;
      fetchBlob(alice, "alice", key);
      assert.equal(alice.lastReason, NOT_FOUND);
    });
  }

  test("of a blob that another one replaced nothing counts any more", () => {
    const alice = newWorld().connect("alice");
    const stored = (name: string, length: number) => {
      alice.forget();
      store(alice, generic(name), bytes(length));
      return alice.last("storeDataBlobResponse") !== undefined;
    };
    for (const length of [60, 99, 10]) assert.ok(stored("a", length), `${length} bytes`);
    assert.equal(stored("b", 89), false);
    assert.ok(stored("b", 88));
    assert.equal(stored("a", 11), false);
    assert.ok(stored("a", 9) && stored("a", 10) && stored("b", 88));
  });

  test("they are refused where they are switched off, and to those who may not publish data", () => {
    const off = new World().connect("alice");
    const silent = newWorld().connect("alice", { grants: { canPublishData: false } });
    for (const client of [off, silent]) {
      store(client, generic("a"), bytes(1));
      assert.equal(client.lastReason, NOT_ALLOWED);
    }
  });

  test("what is not there is not found: the participant, a hidden one, the key, and all of it after its owner has left", () => {
    const world = newWorld();
    const alice = world.connect("alice");
    const ghost = world.connect("ghost", { grants: { hidden: true } });
    const bob = world.connect("bob");
    for (const owner of [alice, ghost]) store(owner, generic("a"), bytes(1));
    const answer = (identity: string, key?: DataBlobKey) => {
      bob.forget();
      fetchBlob(bob, identity, key);
      const { reason, message } = bob.last("requestResponse")!;
      return [reason, message];
    };
    assert.deepEqual(answer("nobody", generic("a")), [NOT_FOUND, "participant not found"]);
    assert.deepEqual(answer("ghost", generic("a")), [NOT_FOUND, "participant not found"]);
    assert.deepEqual(answer("alice", generic("b")), [NOT_FOUND, "data blob not found"]);
    assert.deepEqual(answer("alice"), [INVALID_REQUEST, "data blob key is required"]);
    fetchBlob(ghost, "ghost", generic("a"));
    assert.deepEqual(ghost.last("getDataBlobResponse")?.blob?.contents, bytes(1));
    alice.request({ case: "leave", value: new LeaveRequest() });
    assert.deepEqual(answer("alice", generic("a")), [NOT_FOUND, "participant not found"]);
  });

  test("whatever is stored in whatever order, the sum stays within the limit and everything that was taken is there", () => {
    const blobs = fc.array(fc.tuple(fc.constantFrom("a", "bb", "ccc", "dddd"), fc.integer({ min: 1, max: 60 })));
    fc.assert(
      fc.property(blobs, (wishes) => {
        const alice = newWorld().connect("alice");
        const kept = new Map<string, number>();
        for (const [name, length] of wishes) {
          alice.forget();
          store(alice, generic(name), bytes(length));
          if (alice.last("storeDataBlobResponse")) kept.set(name, length);
          const sum = [...kept].reduce((total, [key, size]) => total + key.length + size, 0);
          assert.ok(sum <= POLICY.totalBytes);
        }
        for (const [name, length] of kept) {
          fetchBlob(alice, "alice", generic(name));
          assert.equal(alice.last("getDataBlobResponse")?.blob?.contents.length, length);
        }
      }),
      { numRuns: 50 },
    );
  });
});
