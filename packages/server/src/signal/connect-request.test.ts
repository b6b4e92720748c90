import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  AddTrackRequest,
  ClientInfo,
  ClientInfo_Capability,
  ClientInfo_SDK,
  ConnectionSettings,
  JoinRequest,
  SessionDescription,
  WrappedJoinRequest,
  ReconnectReason,
} from "@livekit/protocol";
import { handmadeToken, joinClaims, KEYS } from "../fixtures.test.ts";
import { isRefused, verifyToken } from "../auth/verify.ts";
import { clientAddress, parseUserAgent } from "./client-info.ts";
import { readConnectRequest, type ConnectRequest, type Doorkeeper } from "./connect-request.ts";

const NOW = 1_800_000_000_000;
const door: Doorkeeper = {
  limits: { identityBytes: 0, roomNameBytes: 0, metadataBytes: 0, attributesBytes: 0 },
  findRoom: () => undefined,
  admit: () => undefined,
};

async function connect(
  query: string,
  more: { claims?: Record<string, unknown>; headers?: Record<string, string>; needsJoinRequest?: boolean } = {},
): Promise<ConnectRequest> {
  const token = await verifyToken(KEYS, handmadeToken(joinClaims(NOW, more.claims)), NOW);
  assert.ok(!isRefused(token));
  const result = readConnectRequest(
    {
      query: new URLSearchParams(query),
      token,
      needsJoinRequest: more.needsJoinRequest ?? false,
      strict: false,
      header: (name) => more.headers?.[name],
      remoteAddress: "192.0.2.9",
    },
    door,
  );
  assert.ok(!("status" in result), JSON.stringify(result));
  return result;
}

const wrapped = (request: JoinRequest) =>
  `join_request=${encodeURIComponent(Buffer.from(new WrappedJoinRequest({ joinRequest: request.toBinary() }).toBinary()).toString("base64"))}`;

describe("v0: the query parameters", () => {
  test("what is not said", async () => {
    const request = await connect("");
    assert.deepEqual(request.options, {
      peerConnections: "dual",
      autoSubscribe: true,
      autoSubscribeDataTrack: false,
      adaptiveStream: false,
      subscriberAllowPause: undefined,
    });
    assert.deepEqual(
      [request.room, request.claims.identity, request.resume, request.addTracks.length],
      ["lobby", "ada", undefined, 0],
    );
    assert.equal(request.client.sdk, ClientInfo_SDK.UNKNOWN);
    assert.equal(request.tokenExpiresAtMs, NOW + 600_000);
  });

  test("everything", async () => {
    const { client, options, resume } = await connect(
      "sdk=reactnative&version=2.1&protocol=16&client_protocol=2&os=ios&os_version=17&device_model=x&browser=b&browser_version=3" +
        "&network=wifi&capabilities=CAP_PACKET_TRAILER,%20CAP_COMPRESSION_DEFLATE_RAW,nope,1&auto_subscribe=0&adaptive_stream=true" +
        "&auto_subscribe_data_track=1&subscriber_allow_pause=1&reconnect=1&sid=PA_old&reconnect_reason=2",
    );
    assert.deepEqual(
      [
        client.sdk,
        client.version,
        client.protocol,
        client.clientProtocol,
        client.os,
        client.osVersion,
        client.deviceModel,
      ],
      [ClientInfo_SDK.REACT_NATIVE, "2.1", 16, 2, "ios", "17", "x"],
    );
    assert.deepEqual(
      [client.browser, client.browserVersion, client.network, client.address],
      ["b", "3", "wifi", "192.0.2.9"],
    );
    assert.deepEqual(client.capabilities, [
      ClientInfo_Capability.CAP_PACKET_TRAILER,
      ClientInfo_Capability.CAP_COMPRESSION_DEFLATE_RAW,
    ]);
    assert.deepEqual(options, {
      peerConnections: "dual",
      autoSubscribe: false,
      autoSubscribeDataTrack: true,
      adaptiveStream: true,
      subscriberAllowPause: true,
    });
    assert.deepEqual(resume, { participantSid: "PA_old", reason: 2 });
  });

  test("only 1 and true are true; a number that is none is 0", async () => {
    const { client, options, resume } = await connect(
      "adaptive_stream=yes&reconnect=TRUE&protocol=many&auto_subscribe=false",
    );
    assert.deepEqual(
      [options.adaptiveStream, resume, client.protocol, options.autoSubscribe],
      [false, undefined, 0, false],
    );
  });

  test("publish: a second connection that does not subscribe", async () => {
    const { claims, video } = await connect("publish=screen");
    assert.deepEqual([claims.identity, claims.grants.canSubscribe, video.canSubscribe], ["ada#screen", false, false]);
  });

  test("attributes are merged over the token's; none is deleted; undecodable ones are ignored on the socket", async () => {
    const claims = {
      attributes: { a: "1", b: "2" },
      video: { roomJoin: true, room: "lobby", canUpdateOwnMetadata: true },
    };
    const encoded = Buffer.from(JSON.stringify({ b: "", c: "3", a: "9" })).toString("base64url");
    assert.deepEqual((await connect(`attributes=${encoded}`, { claims })).claims.attributes, {
      a: "9",
      b: "2",
      c: "3",
    });
    assert.deepEqual((await connect("attributes=%%%", { claims })).claims.attributes, { a: "1", b: "2" });
  });

  test("a browser's User-Agent fills what was not said, for SDKs that run in browsers only", async () => {
    const headers = {
      "user-agent":
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36",
    };
    const js = (await connect("sdk=js", { headers })).client;
    assert.deepEqual([js.browser, js.browserVersion, js.os], ["Chrome", "156.0.0.0", "Linux"]);
    assert.equal((await connect("sdk=js&browser=mine", { headers })).client.browser, "mine");
    assert.equal((await connect("sdk=rust", { headers })).client.browser, "");
  });
});

describe("v1: the join request", () => {
  test("everything, with the defaults of protobuf", async () => {
    const request = new JoinRequest({
      clientInfo: new ClientInfo({ sdk: ClientInfo_SDK.RUST, protocol: 17 }),
      addTrackRequests: [new AddTrackRequest({ cid: "c" })],
      publisherOffer: new SessionDescription({ type: "offer", sdp: "v=0" }),
      reconnect: true,
      participantSid: "PA_1",
      reconnectReason: ReconnectReason.RR_SUBSCRIBER_FAILED,
    });
    const result = await connect(wrapped(request), { needsJoinRequest: true });
    assert.deepEqual(result.options, {
      peerConnections: "single",
      autoSubscribe: false,
      autoSubscribeDataTrack: false,
      adaptiveStream: false,
      subscriberAllowPause: false,
    });
    assert.deepEqual(
      [result.client.sdk, result.client.protocol, result.client.address],
      [ClientInfo_SDK.RUST, 17, "192.0.2.9"],
    );
    assert.deepEqual(
      [result.resume, result.addTracks[0]?.cid, result.publisherOffer?.sdp],
      [{ participantSid: "PA_1", reason: ReconnectReason.RR_SUBSCRIBER_FAILED }, "c", "v=0"],
    );
  });

  test("settings, metadata and attributes; the query parameters of v0 do not count", async () => {
    const request = new JoinRequest({
      connectionSettings: new ConnectionSettings({ autoSubscribe: true, adaptiveStream: true }),
      metadata: "mine",
      participantAttributes: { a: "2" },
    });
    const claims = {
      metadata: "theirs",
      attributes: { a: "1" },
      video: { roomJoin: true, room: "lobby", canUpdateOwnMetadata: true },
    };
    const result = await connect(`${wrapped(request)}&publish=x&reconnect=1&auto_subscribe=0`, { claims });
    assert.deepEqual(
      [result.options.autoSubscribe, result.options.adaptiveStream, result.resume],
      [true, true, undefined],
    );
    assert.deepEqual(
      [result.claims.identity, result.claims.metadata, result.claims.attributes],
      ["ada", "mine", { a: "2" }],
    );
  });
});

describe("where a client is", () => {
  test("the nearest proxy header counts", () => {
    const at = (headers: Record<string, string>) =>
      clientAddress({ header: (name) => headers[name], remoteAddress: "::ffff:10.0.0.1" });
    assert.equal(at({}), "10.0.0.1");
    assert.equal(at({ "x-real-ip": "192.0.2.3" }), "192.0.2.3");
    assert.equal(at({ "x-real-ip": "192.0.2.3", "x-forwarded-for": "192.0.2.2, 10.0.0.9" }), "192.0.2.2");
    assert.equal(at({ "x-forwarded-for": "192.0.2.2", "cf-connecting-ip": "192.0.2.1" }), "192.0.2.1");
  });

  test("browsers and systems", () => {
    const table: readonly (readonly [string, string, string])[] = [
      [
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.3 Safari/605.1.15",
        "Safari 18.3",
        "Mac OS X 10.15.7",
      ],
      [
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
        "Mobile Safari 17.5",
        "iOS 17.5",
      ],
      ["Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox 128.0", "Linux "],
      ["Mozilla/5.0 (Android 14; Mobile; rv:128.0) Gecko/128.0 Firefox/128.0", "Firefox Mobile 128.0", "Android 14"],
      [
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36 Edg/156.0.0.0",
        "Edge 156.0.0.0",
        "Windows 10.0",
      ],
      ["Mozilla/5.0 OBS-Studio/30.1", "OBS Studio 30.1", " "],
      ["", " ", " "],
    ];
    for (const [agent, browser, os] of table) {
      const parsed = parseUserAgent(agent);
      assert.deepEqual([parsed.browser.join(" "), parsed.os.join(" ")], [browser, os], agent);
    }
  });
});
