/** `/rtc/validate`: who may come in, by every rule there is. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { JoinRequest, WrappedJoinRequest, WrappedJoinRequest_Compression } from "@livekit/protocol";
import { ORIGIN, app, token, video } from "./harness.test.ts";

function joinRequest(request: JoinRequest | Uint8Array, compression = WrappedJoinRequest_Compression.NONE): string {
  const plain = request instanceof JoinRequest ? request.toBinary() : request;
  const bytes = compression === WrappedJoinRequest_Compression.GZIP ? gzipSync(plain) : plain;
  return base64(new WrappedJoinRequest({ joinRequest: bytes, compression }).toBinary());
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64").replaceAll("+", "-").replaceAll("/", "_");
}

describe("validate: status and body of every rule, with CORS", () => {
  const v0 = (parameters: string, expected: readonly [number, string]) =>
    [`/rtc/validate?${parameters}`, ...expected] as const;
  const v1 = (parameters: string, expected: readonly [number, string]) =>
    [`/rtc/v1/validate?access_token=${token()}&${parameters}`, ...expected] as const;
  const ok = [200, "success"] as const;
  const noAccess = [401, "no permissions to access the room"] as const;
  const attributes = (value: unknown) => `attributes=${encodeURIComponent(base64(Buffer.from(JSON.stringify(value))))}`;
  const own = video({ canUpdateOwnMetadata: true });
  const bomb = gzipSync(Buffer.alloc(2 << 20));
  const wrappedBomb = base64(
    new WrappedJoinRequest({ joinRequest: bomb, compression: WrappedJoinRequest_Compression.GZIP }).toBinary(),
  );
  const cut = base64(
    new WrappedJoinRequest({
      joinRequest: gzipSync(Buffer.from("not all of it")).subarray(0, 12),
      compression: WrappedJoinRequest_Compression.GZIP,
    }).toBinary(),
  );
  const table: Record<string, readonly [string, number, string]> = {
    good: v0(`access_token=${token()}`, ok),
    "no token": v0("", noAccess),
    "an empty token": v0("access_token=", noAccess),
    "no video grant": v0(`access_token=${token({ video: undefined })}`, noAccess),
    "no roomJoin": v0(`access_token=${video({ roomJoin: false })}`, noAccess),
    "a bad token": v0("access_token=xx", [401, "invalid authorization token"]),
    "no identity": v0(`access_token=${token({ sub: "" })}`, [400, "identity cannot be empty"]),
    "a long identity": v0(`access_token=${token({ sub: "a".repeat(21) })}`, [
      400,
      "participant identity length exceeds limits: max length 20",
    ]),
    "an identity counted in bytes": v0(`access_token=${token({ sub: "é".repeat(11) })}`, [
      400,
      "participant identity length exceeds limits: max length 20",
    ]),
    "no room": v0(`access_token=${video({ room: "" })}`, [400, "no room name"]),
    "a long room": v0(`access_token=${video({ room: "r".repeat(21) })}`, [
      400,
      "room name length exceeds limits: max length 20",
    ]),
    "a room that is not there": v0(`access_token=${video({ room: "absent" })}`, [404, "requested room does not exist"]),
    "a room that is not there, with the right to create it": v0(
      `access_token=${video({ room: "absent", roomCreate: true })}`,
      ok,
    ),
    "an unknown preset": v0(`access_token=${token({ roomPreset: "unknown" })}`, [
      400,
      "unknown room configuration in create room request",
    ]),
    publish: v0(`access_token=${token()}&publish=x`, ok),
    "publish without the right": v0(`access_token=${video({ canPublish: false })}&publish=x`, noAccess),
    attributes: v0(`access_token=${own}&${attributes({ a: "b" })}`, ok),
    "attributes without the right": v0(`access_token=${token()}&${attributes({ a: "b" })}`, noAccess),
    "attributes over the limit": v0(`access_token=${own}&${attributes({ a: "1234567890" })}`, [
      400,
      "attribute size exceeds limits",
    ]),
    "attributes that are no map of texts": v0(`access_token=${own}&${attributes({ a: 1 })}`, [
      400,
      "cannot decode attributes",
    ]),
    "attributes that are no base64": v0(`access_token=${own}&attributes=%21%21`, [400, "cannot decode attributes"]),
    "metadata of the token over the limit": v0(`access_token=${token({ metadata: "m".repeat(31) })}`, [
      400,
      "metadata size exceeds limits",
    ]),
    "v1 without join_request": v1("", [400, "join_request is required"]),
    v1: v1(`join_request=${encodeURIComponent(joinRequest(new JoinRequest({ participantSid: "PA_1" })))}`, ok),
    "v1, gzip": v1(
      `join_request=${encodeURIComponent(joinRequest(new JoinRequest({ participantSid: "PA_1" }), WrappedJoinRequest_Compression.GZIP))}`,
      ok,
    ),
    "v1 without padding": v1("join_request=EgA", ok),
    "v1 in the standard alphabet": v1(`join_request=${encodeURIComponent("EgD6/w4=")}`, [
      400,
      "cannot unmarshal wrapped join request",
    ]),
    "v1, no base64": v1("join_request=%21%21%21", [400, "cannot base64 decode wrapped join request"]),
    "v1, no message": v1("join_request=_____w==", [400, "cannot unmarshal wrapped join request"]),
    "v1, no join request inside": v1(`join_request=${joinRequest(Uint8Array.of(255, 255, 255))}`, [
      400,
      "cannot unmarshal join request",
    ]),
    "v1, cut gzip": v1(`join_request=${encodeURIComponent(cut)}`, [400, "cannot read decompressed join request"]),
    "v1, a gzip bomb": v1(`join_request=${encodeURIComponent(wrappedBomb)}`, [400, "join request too large"]),
    "v1, too large without gzip": v1(`join_request=${encodeURIComponent(joinRequest(Buffer.alloc((1 << 20) + 1)))}`, [
      400,
      "join request too large",
    ]),
    "v1, metadata without the right": v1(`join_request=${joinRequest(new JoinRequest({ metadata: "m" }))}`, noAccess),
    "join_request on v0": v0(`access_token=${token()}&join_request=%21`, [
      400,
      "cannot base64 decode wrapped join request",
    ]),
  };
  for (const [name, [path, status, body]] of Object.entries(table)) {
    test(name, async () => {
      const answer = await app().request(path, { headers: { origin: ORIGIN } });
      assert.deepEqual([answer.status, await answer.text()], [status, body]);
      assert.equal(answer.headers.get("access-control-allow-origin"), "*");
      assert.match(answer.headers.get("content-type")!, /^text\/plain/);
    });
  }

  test("the token may stand in the header, and the header must say Bearer", async () => {
    const ask = (authorization: string) => app().request("/rtc/validate", { headers: { authorization } });
    assert.equal((await ask(`Bearer ${token()}`)).status, 200);
    const refused = await ask(token());
    assert.deepEqual(
      [refused.status, await refused.text()],
      [401, "invalid authorization header. Must start with Bearer "],
    );
  });
});
