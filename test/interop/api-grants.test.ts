/** Who may call and who may join: every method against every grant, tokens good and bad, and the token that is refreshed. */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, before, test } from "node:test";
import { SignalRequest } from "@livekit/protocol";
import { RoomServiceClient, TokenVerifier } from "livekit-server-sdk";
import { createAccessToken } from "@stoa/testkit/access-token";
import { RawSignal } from "@stoa/testkit/raw-signal";
import { type ServerProcess, startServer } from "@stoa/testkit/server-process";
import { until } from "@stoa/testkit/until";

let server: ServerProcess;

before(async () => {
  server = await startServer();
});
after(() => server?.stop());

interface Claims {
  readonly video?: Record<string, unknown>;
  readonly sip?: Record<string, unknown>;
}

const admin: Claims = { video: { roomAdmin: true, room: "lobby" } };
const between: Claims = { video: { roomAdmin: true, room: "lobby", destinationRoom: "attic" } };
const create: Claims = { video: { roomCreate: true } };
const record: Claims = { video: { roomRecord: true } };
const ingress: Claims = { video: { ingressAdmin: true } };
const sip: Claims = { sip: { admin: true } };

const METHODS: Readonly<Record<string, Readonly<Record<string, Claims>>>> = {
  RoomService: {
    CreateRoom: create,
    ListRooms: { video: { roomList: true } },
    DeleteRoom: create,
    ListParticipants: admin,
    GetParticipant: admin,
    RemoveParticipant: admin,
    MutePublishedTrack: admin,
    UpdateParticipant: admin,
    UpdateSubscriptions: admin,
    SendData: admin,
    UpdateRoomMetadata: admin,
    ForwardParticipant: between,
    MoveParticipant: between,
    PerformRpc: admin,
  },
  AgentDispatchService: { CreateDispatch: admin, ListDispatch: admin, DeleteDispatch: admin },
  Egress: {
    StartEgress: record,
    StartRoomCompositeEgress: record,
    StartWebEgress: record,
    StartParticipantEgress: record,
    StartTrackCompositeEgress: record,
    StartTrackEgress: record,
    UpdateLayout: record,
    UpdateStream: record,
    ListEgress: record,
    StopEgress: record,
  },
  Ingress: { CreateIngress: ingress, UpdateIngress: ingress, ListIngress: ingress, DeleteIngress: ingress },
  SIP: {
    ListSIPTrunk: sip,
    CreateSIPInboundTrunk: sip,
    CreateSIPOutboundTrunk: sip,
    UpdateSIPInboundTrunk: sip,
    UpdateSIPOutboundTrunk: sip,
    GetSIPInboundTrunk: sip,
    GetSIPOutboundTrunk: sip,
    ListSIPInboundTrunk: sip,
    ListSIPOutboundTrunk: sip,
    DeleteSIPTrunk: sip,
    CreateSIPDispatchRule: sip,
    UpdateSIPDispatchRule: sip,
    ListSIPDispatchRule: sip,
    DeleteSIPDispatchRule: sip,
    CreateSIPParticipant: { sip: { call: true } },
    TransferSIPParticipant: { ...admin, sip: { call: true } },
  },
};

/** Every grant that there is, but not for this room; less what `right` grants. */
function wrong(right: Claims): Claims {
  const video = { roomCreate: true, roomList: true, roomRecord: true, ingressAdmin: true, roomAdmin: true };
  const rest = (all: object, taken: object = {}) =>
    Object.fromEntries(Object.entries(all).filter(([name]) => !Object.hasOwn(taken, name)));
  return {
    video: { ...rest(video, right.video), room: "lobby", destinationRoom: "attic" },
    sip: rest({ admin: true, call: true }, right.sip),
  };
}

/** Names whatever any method wants named; the others ignore it. */
const REQUEST = JSON.stringify({
  room: "lobby",
  room_name: "lobby",
  name: "lobby",
  destination_room: "attic",
  identity: "ada",
  participant_identity: "ada",
  transfer_to: "tel:+15550100",
});

async function call(
  path: string,
  claims: Claims | undefined,
): Promise<{ status: number; code: unknown; msg: unknown }> {
  const token = claims && createAccessToken(server.key, server.secret, "caller", {}, { video: undefined, ...claims });
  const response = await fetch(`${server.http}/twirp/livekit.${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) },
    body: REQUEST,
  });
  const { code, msg } = (await response.json()) as Record<string, unknown>;
  return { status: response.status, code, msg };
}

for (const [service, methods] of Object.entries(METHODS)) {
  test(`${service}: no token and a wrong grant are "unauthenticated", the right grant is not`, async () => {
    const denied = { status: 401, code: "unauthenticated", msg: "permissions denied" };
    await Promise.all(
      Object.entries(methods).map(async ([method, right]) => {
        const path = `${service}/${method}`;
        assert.deepEqual(await call(path, undefined), denied, path);
        assert.deepEqual(await call(path, wrong(right)), denied, path);
        if (right.video?.["room"]) {
          assert.deepEqual(await call(path, { ...right, video: { ...right.video, room: "other" } }), denied, path);
        }
        const allowed = await call(path, right);
        assert.ok(allowed.status !== 401 && allowed.code !== "bad_route", `${path}: ${JSON.stringify(allowed)}`);
      }),
    );
  });
}

test("join tokens: only HS256 with the right secret, in time, for somebody and for a room", async () => {
  const nowS = Math.floor(Date.now() / 1000);
  const good = { iss: server.key, sub: "ada", nbf: nowS - 10, exp: nowS + 600, video: { roomJoin: true, room: "t" } };
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const sign = (claims: object, { alg = "HS256", hash = "sha256", secret = server.secret } = {}) => {
    const body = `${part({ alg, typ: "JWT" })}.${part(claims)}`;
    return `${body}.${alg === "none" ? "" : createHmac(hash, secret).update(body).digest("base64url")}`;
  };
  const cases: readonly (readonly [string, string, number])[] = [
    ["good", sign(good), 200],
    ["expired", sign({ ...good, nbf: nowS - 900, exp: nowS - 300 }), 401],
    ["not valid yet", sign({ ...good, nbf: nowS + 300 }), 401],
    ["without an end", sign({ ...good, exp: undefined }), 401],
    ["another secret", sign(good, { secret: "x".repeat(40) }), 401],
    ["an unknown key", sign({ ...good, iss: "APIsomebody" }), 401],
    ["no algorithm", sign(good, { alg: "none" }), 401],
    ["HS384", sign(good, { alg: "HS384", hash: "sha384" }), 401],
    ["HS512", sign(good, { alg: "HS512", hash: "sha512" }), 401],
    ["HS256 that says RS256", sign(good, { alg: "RS256" }), 401],
    ["a changed claim", sign(good).replace(/\.[^.]+\./, `.${part({ ...good, sub: "eve" })}.`), 401],
    ["no right to join", sign({ ...good, video: { room: "t" } }), 401],
    ["nobody", sign({ ...good, sub: "" }), 400],
    ["no room", sign({ ...good, video: { roomJoin: true } }), 400],
  ];
  for (const [name, token, status] of cases) {
    const response = await fetch(`${server.http}/rtc/validate?access_token=${token}`);
    assert.equal(response.status, status, `${name}: ${await response.text()}`);
  }
});

test("a changed participant gets a token that says so, and that is good for a join", async () => {
  const signal = await RawSignal.connect(server, "ada", "refresh");
  const api = new RoomServiceClient(server.http, server.key, server.secret);
  await api.updateParticipant("refresh", "ada", {
    name: "Ada",
    metadata: "fresh",
    attributes: { a: "1" },
    permission: { canPublish: true, canSubscribe: true, canPublishData: false },
  });
  const verifier = new TokenVerifier(server.key, server.secret);
  let token = "";
  await until(
    async () => {
      for (const { case: kind, value } of signal.messages) if (kind === "refreshToken") token = value;
      return token !== "" && (await verifier.verify(token)).metadata === "fresh";
    },
    5000,
    "a refreshed token",
  );
  const claims = await verifier.verify(token);
  assert.deepEqual([claims.sub, claims.name, claims.attributes], ["ada", "Ada", { a: "1" }]);
  const { room, roomJoin, canPublish, canPublishData } = claims.video!;
  assert.deepEqual([room, roomJoin, canPublish, canPublishData], ["refresh", true, true, false]);
  assert.equal((await fetch(`${server.http}/rtc/validate?access_token=${token}`)).status, 200);
  signal.send(new SignalRequest({ message: { case: "leave", value: {} } }).message);
  await signal.closed();
});
