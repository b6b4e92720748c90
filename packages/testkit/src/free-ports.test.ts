import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { test } from "node:test";
import { firstFree, freePortPair, freeTcpPort, freeUdpPort, rangeBeside } from "./free-ports.ts";

test("none twice, none of those for outgoing connections", async () => {
  const ports: number[] = [];
  for (let i = 0; i < 50; i++) {
    const first = await freePortPair();
    ports.push(await freeTcpPort(), await freeUdpPort(), first, first + 1);
  }
  assert.equal(new Set(ports).size, ports.length);
  const range = rangeBeside(readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8"));
  for (const port of ports) assert.ok(port >= range.first && port <= range.last + 1, String(port));
});

test("a port that is taken is passed over, whether TCP or UDP has it or it is the second of two", async () => {
  const tcp = createServer().listen(0, "127.0.0.1");
  await once(tcp, "listening");
  const udp = createSocket("udp4").bind(0, "127.0.0.1");
  await once(udp, "listening");
  const taken = [(tcp.address() as AddressInfo).port, udp.address().port];
  const free = await freeTcpPort();
  const unfit = [...taken, taken[0]! - 1, free, 10_080, 65_535];
  let drawn = 0;
  const found = await firstFree(() => unfit[drawn++] ?? 20_000 + 2 * drawn, 2);
  assert.ok(!unfit.includes(found) && drawn > unfit.length, String(found));
  tcp.close();
  udp.close();
});

test("where to draw from", () => {
  assert.deepEqual(rangeBeside("32768\t60999\n"), { first: 10_000, last: 31_999 });
  assert.deepEqual(rangeBeside("20000 60999"), { first: 10_000, last: 19_998 });
  assert.deepEqual(rangeBeside("1024 60999"), { first: 61_000, last: 65_534 });
  assert.deepEqual(rangeBeside("1024 65535"), { first: 10_000, last: 31_999 }, "better than none");
});
