import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CreateRoomRequest, ListRoomsResponse, Room } from "@livekit/protocol";
import fc from "fast-check";
import { recordingLog } from "../fixtures.test.ts";
import { failure, ok, ROOM_SERVICE, startApi } from "./fixture.test.ts";
import { handleTwirp, type Api } from "./handler.ts";
import { SERVICES } from "./services.ts";

describe("routes", () => {
  const badRoutes = [
    ["GET", `/twirp/${ROOM_SERVICE}/ListRooms`, "application/json", 'unsupported method "GET" (only POST is allowed)'],
    ["POST", `/twirp/${ROOM_SERVICE}/Nope`, "application/json", `no handler for path "/twirp/${ROOM_SERVICE}/Nope"`],
    ["POST", "/twirp/livekit.Connector/DialWhatsAppCall", "application/json", "no handler for path "],
    ["POST", `/twirp/${ROOM_SERVICE}`, "application/json", "no handler for path "],
    ["POST", `/twirp/${ROOM_SERVICE}/ListRooms/more`, "application/json", "no handler for path "],
    ["POST", "/twirp/__proto__/toString", "application/json", "no handler for path "],
    ["POST", `/twirp/${ROOM_SERVICE}/constructor`, "application/json", "no handler for path "],
    ["POST", `/twirp/${ROOM_SERVICE}/ListRooms`, "text/plain", 'unexpected Content-Type: "text/plain"'],
    ["POST", `/twirp/${ROOM_SERVICE}/ListRooms`, "", 'unexpected Content-Type: ""'],
  ] as const;
  for (const [method, path, contentType, msg] of badRoutes) {
    test(`${method} ${path} as ${contentType || "nothing"} is a bad route`, async () => {
      const answer = await startApi().post(path, contentType ? "{}" : new Uint8Array(), { method, contentType });
      assert.equal(answer.status, 404);
      assert.equal(answer.contentType, "application/json");
      assert.equal(answer.json["code"], "bad_route");
      assert.ok(String(answer.json["msg"]).startsWith(msg), answer.text);
      assert.deepEqual(answer.json["meta"], { twirp_invalid_route: `${method} ${path}` });
    });
  }

  test("parameters of the content type do not matter", async () => {
    const answer = await startApi().call("ListRooms", {}, { contentType: "application/json;charset=UTF-8" });
    assert.deepEqual([answer.status, answer.contentType, answer.text], [200, "application/json", '{"rooms":[]}']);
  });
});

describe("bodies", () => {
  test("an answer has snake_case names, every default, 64-bit numbers as text, null for an absent message", async () => {
    const api = startApi();
    await api.call("CreateRoom", { name: "lobby", empty_timeout: 60, agents: [{ agent_name: "helper" }] });
    const { rooms } = ok(await api.call("ListRooms")) as { rooms: Record<string, unknown>[] };
    const room = rooms[0]!;
    assert.equal(room["empty_timeout"], 60);
    assert.equal(room["active_recording"], false);
    assert.equal(room["metadata"], "");
    assert.match(String(room["creation_time_ms"]), /^\d{13}$/);
    assert.equal(typeof room["creation_time_ms"], "string");
    const list = ok(await api.call("livekit.AgentDispatchService/ListDispatch", { room: "lobby" }));
    const [dispatch] = list["agent_dispatches"] as Record<string, Record<string, unknown>>[];
    assert.deepEqual(dispatch!["state"]!["jobs"], []);
  });

  test("a message that is not set is null, one of a oneof is left out", async () => {
    const api: Api = { ...({} as Api), "livekit.RoomService": { CreateRoom: () => new Room() } as never };
    const request = new Request("http://localhost", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{}",
    });
    const token = { apiKey: "k", expiresAtMs: 0, grants: { video: { roomCreate: true } } as never };
    const answer = await handleTwirp(
      { api, log: recordingLog(), nowMs: () => 0 },
      request,
      `/twirp/${ROOM_SERVICE}/CreateRoom`,
      token,
    );
    assert.equal(((await answer.json()) as Record<string, unknown>)["version"], null);
  });

  test("both namings come in, numbers as text as well, and unknown fields are ignored", async () => {
    const api = startApi();
    for (const body of [
      '{"name":"a","empty_timeout":"7","zzz":{"y":1}}',
      '{"name":"b","emptyTimeout":7,"sync_streams":null}',
    ]) {
      const answer = await api.post(`/twirp/${ROOM_SERVICE}/CreateRoom`, body);
      assert.equal(ok(answer)["empty_timeout"], 7);
    }
  });

  test("protobuf in, protobuf out", async () => {
    const api = startApi();
    const bytes = new CreateRoomRequest({ name: "lobby", emptyTimeout: 9 }).toBinary();
    const contentType = "application/protobuf";
    const made = await api.post(`/twirp/${ROOM_SERVICE}/CreateRoom`, bytes, { contentType });
    assert.deepEqual([made.status, made.contentType], [200, contentType]);
    const empty = await api.post(`/twirp/${ROOM_SERVICE}/ListRooms`, new Uint8Array(), { contentType });
    assert.equal(empty.status, 200);
    assert.ok(empty.text.includes("lobby"));
    assert.equal(new ListRoomsResponse().toBinary().length, 0);
  });

  const malformed: readonly (readonly [string, string | Uint8Array, string])[] = [
    ["ListRooms", "{", "the json request could not be decoded: Expected property name"],
    ["ListRooms", "", "the json request could not be decoded: Unexpected end of JSON input"],
    ["ListRooms", "[]", "the json request could not be decoded: message livekit.ListRoomsRequest from JSON: array"],
    [
      "ListRooms",
      '{"names":3}',
      "the json request could not be decoded: field livekit.ListRoomsRequest.names from JSON: 3",
    ],
    [
      "CreateRoom",
      '{"empty_timeout":-1}',
      "the json request could not be decoded: field livekit.CreateRoomRequest.empty_timeout",
    ],
    ["SendData", '{"data":"***"}', "the json request could not be decoded: field livekit.SendDataRequest.data"],
    ["SendData", '{"kind":"LOUD"}', 'the json request could not be decoded: field kind cannot be "LOUD"'],
    [
      "UpdateParticipant",
      '{"permission":{"can_publish":true,"can_publish_sources":["CAMERRA"]}}',
      'the json request could not be decoded: field permission.can_publish_sources cannot be "CAMERRA"',
    ],
    ["ListRooms", new Uint8Array([0x0a, 5, 65]), "the protobuf request could not be decoded: field names is cut off"],
    ["ListRooms", new Uint8Array([255, 255]), "the protobuf request could not be decoded: its first field is cut off"],
    [
      "ListRooms",
      new Uint8Array([0x08, 5]),
      "the protobuf request could not be decoded: the value of a field has a wrong wire type",
    ],
    [
      "CreateRoom",
      new Uint8Array([0x0a, 2, 0xff, 0xfe]),
      "the protobuf request could not be decoded: the value of a field has a wrong wire type, or is text that is not UTF-8",
    ],
  ];
  for (const [method, body, msg] of malformed) {
    test(`${method} with ${typeof body === "string" ? body || "an empty body" : body.join(" ")} is malformed`, async () => {
      const contentType = typeof body === "string" ? "application/json" : "application/protobuf";
      const answer = await startApi().post(`/twirp/${ROOM_SERVICE}/${method}`, body, { contentType });
      assert.deepEqual([answer.status, answer.json["code"]], [400, "malformed"]);
      assert.ok(String(answer.json["msg"]).startsWith(msg), answer.text);
    });
  }

  test("any bytes to any method give a Twirp answer", async () => {
    const api = startApi();
    const paths = Object.entries(SERVICES).flatMap(([service, methods]) =>
      Object.keys(methods).map((method) => `/twirp/${service}/${method}`),
    );
    const body = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.json().map((text) => new TextEncoder().encode(text)),
    );
    const types = fc.constantFrom("application/json", "application/protobuf");
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...paths), body, types, async (path, bytes, contentType) => {
        const answer = await api.post(path, bytes, { contentType });
        assert.ok(answer.status === 200 || typeof answer.json["code"] === "string");
        assert.ok(answer.status < 500 || answer.json["msg"] !== "internal error", answer.text);
      }),
      { numRuns: 300 },
    );
  });
});

describe("calls", () => {
  const service = (run: () => unknown): Api => ({ [ROOM_SERVICE]: { ListRooms: run } }) as never;
  const token = { apiKey: "k", expiresAtMs: 0, grants: { video: { roomList: true } } as never };

  function call(run: () => unknown, headers: Record<string, string> = {}) {
    const log = recordingLog();
    const request = new Request("http://localhost", {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: "{}",
    });
    const path = `/twirp/${ROOM_SERVICE}/ListRooms`;
    return { log, answer: handleTwirp({ api: service(run), log, nowMs: () => 0 }, request, path, token) };
  }

  test("a method that fails is an internal error, and its reason stands in the log only", async () => {
    const { answer, log } = call(() => {
      throw new Error("the secret is 42");
    });
    assert.deepEqual(await (await answer).json(), { code: "internal", msg: "internal error" });
    assert.equal(log.lines[0], "error API method failed");
  });

  test("X-Twirp-Timeout-Ms bounds the wait of the caller", async () => {
    const { answer } = call(() => new Promise(() => {}), { "x-twirp-timeout-ms": "5" });
    const late = await answer;
    assert.equal(late.status, 408);
    assert.equal(((await late.json()) as { code: string }).code, "deadline_exceeded");
  });

  test("each call is reported with its outcome", async () => {
    const api = startApi();
    await api.call("ListRooms");
    await api.call("DeleteRoom", { room: "absent" });
    assert.deepEqual(
      api.reports.map(({ service: name, method, code }) => [name, method, code]),
      [
        [ROOM_SERVICE, "ListRooms", "ok"],
        [ROOM_SERVICE, "DeleteRoom", "not_found"],
      ],
    );
    assert.deepEqual(failure(await api.call("DeleteRoom", { room: "absent" })), [
      404,
      "not_found",
      "requested room does not exist",
    ]);
  });
});
