import { test } from "node:test";
import assert from "node:assert/strict";
import { formatPath } from "./agent.ts";
import { candidate } from "./harness.test.ts";

test("addresses are written as in a log", () => {
  assert.equal(formatPath(candidate("udp", "127.0.0.1", 5000)), "udp 127.0.0.1:5000");
  const address = Uint8Array.of(0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
  assert.equal(formatPath({ protocol: "tcp", address, port: 7881 }), "tcp [2001:db8:0:0:0:0:0:1]:7881");
});
