import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { test } from "node:test";
import { probeAccel } from "@stoa/io/accel/probe";
import { nowMs } from "@stoa/io/clock";
import { until } from "../until.ts";
import { SharedSocket } from "./shared-socket.ts";

const ENDPOINTS = 600;

/** A server that sends everything back to where it came from. */
async function openEcho(): Promise<{ socket: Socket; port: number; sources: string[] }> {
  const socket = createSocket("udp4");
  const sources: string[] = [];
  socket.on("message", (bytes, from) => {
    sources.push(from.address);
    socket.send(bytes, from.port, from.address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return { socket, port: socket.address().port, sources };
}

test(
  "every endpoint has an address of its own and gets what is sent there",
  { skip: process.platform !== "linux" },
  async () => {
    const echo = await openEcho();
    const memory = probeAccel("auto", nowMs()).allocateMemory(8 << 20);
    const got: [endpoint: number, path: number, text: string][] = [];
    const socket = new SharedSocket(memory, {
      beginBatch: () => {},
      handleDatagram: (endpoint, path, at, length) => {
        got.push([endpoint, path, String.fromCharCode(...memory.slab.u8.subarray(at, at + length))]);
      },
      endBatch: () => {},
    });
    const chosen = [0, 1, 253, 254, ENDPOINTS - 1];
    try {
      for (let i = 0; i < ENDPOINTS; i++) assert.equal(socket.addEndpoint(), i);
      const expected = chosen.map((endpoint) => {
        const paths = socket.pathsOf(endpoint);
        const info = { protocol: "udp", address: Uint8Array.of(127, 0, 0, 1), port: echo.port } as const;
        const path = paths.open(info);
        assert.deepEqual(paths.describe(path), info);
        socket.send(path, new TextEncoder().encode(`to ${endpoint}`));
        return [endpoint, path, `to ${endpoint}`];
      });
      socket.flush();
      await until(() => got.length === chosen.length, 5000, "the echo of every endpoint");
      assert.deepEqual(
        got.toSorted((a, b) => a[0] - b[0]),
        expected,
      );
      assert.equal(new Set(echo.sources).size, chosen.length);
      assert.equal(socket.sendFailures, 0);
    } finally {
      socket.close();
      echo.socket.close();
    }
  },
);
