/** PerformRpc: what the API's caller reads of an error that the participant answers with. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DataPacket, RpcError, RpcResponse } from "@livekit/protocol";
import { until } from "@stoa/testkit/until";
import { join } from "../rooms/harness.test.ts";
import { startApi } from "./fixture.test.ts";

test("each error of LiveKit's RPC has its code in Twirp; one of the application's own is internal", async () => {
  const api = startApi();
  const { socket } = await join(api.registry);
  const { message } = socket.sent[0]!;
  assert.ok(message.case === "join");
  const participant = message.value.participant!.sid;
  const calls = () => api.media.commands.flatMap(({ command }) => (command.type === "awaitRpc" ? [command] : []));
  const codes: unknown[] = [];
  for (const code of [1400, 1401, 1402, 1403, 1404, 1500, 1501, 1502, 1503, 1504, 1505, 7]) {
    const before = calls().length;
    const pending = api.call("PerformRpc", { room: "lobby", destination_identity: "ada", method: "m" });
    await until(() => calls().length > before, 2000, "the request");
    const error = new RpcError({ code, message: "words", data: "more" });
    const response = new RpcResponse({ requestId: calls().at(-1)!.id, value: { case: "error", value: error } });
    const packet = new DataPacket({ value: { case: "rpcResponse", value: response } }).toBinary();
    api.media.listener!.onMedia("lobby", { type: "rpcReply", participant, packet });
    const answer = await pending;
    assert.equal(answer.json["msg"], `RpcError ${code}: words`);
    assert.deepEqual(answer.json["meta"], { rpc_code: `${code}`, rpc_data: "more" });
    codes.push([code, answer.status, answer.json["code"]]);
  }
  assert.deepEqual(codes, [
    [1400, 400, "invalid_argument"],
    [1401, 404, "not_found"],
    [1402, 400, "invalid_argument"],
    [1403, 501, "unimplemented"],
    [1404, 501, "unimplemented"],
    [1500, 500, "internal"],
    [1501, 408, "canceled"],
    [1502, 408, "canceled"],
    [1503, 503, "unavailable"],
    [1504, 500, "internal"],
    [1505, 500, "internal"],
    [7, 500, "internal"],
  ]);
});
