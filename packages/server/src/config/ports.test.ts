import assert from "node:assert/strict";
import { test } from "node:test";
import { testConfig } from "../fixtures.test.ts";
import { planWorkers } from "./ports.ts";

function plan(yaml: string, cores: number): string {
  const workers = planWorkers(testConfig(yaml).config, cores);
  return workers.map(({ udpPort, tcpPort }) => `${udpPort}/${tcpPort}`).join(" ");
}

test("a worker for each core but one, with a UDP and a TCP port each", () => {
  const table: readonly (readonly [string, number, string])[] = [
    ["", 1, "7882/7881"],
    ["", 2, "7882/7881"],
    ["", 4, "7882/7881 7883/7882 7884/7883"],
    ["rtc: { udp_port: 9000 }", 8, "9000/7881"],
    ["rtc: { udp_port: 0 }", 2, "7882/7881"],
    ["rtc: { udp_port: 9000-9001 }", 8, "9000/7881 9001/7882"],
    ["rtc: { udp_port: 9000-9010 }", 3, "9000/7881 9001/7882"],
    ["rtc: { port_range_start: 50000, port_range_end: 60000 }", 3, "50000/7881 50001/7882"],
    ["rtc: { tcp_port: 0 }", 3, "7882/0 7883/0"],
    ["port: 7882", 4, "7882/7881 7883/7883 7884/7884"],
    ["rtc: { udp_port: 65535-65535 }", 4, "refused"],
    ["rtc: { port_range_start: 65534, port_range_end: 65535 }", 9, "65534/7881 65535/7882"],
  ];
  for (const [yaml, cores, expected] of table) {
    if (expected === "refused") assert.throws(() => plan(yaml, cores), /a range such as/);
    else assert.equal(plan(yaml, cores), expected, `${yaml} on ${cores} cores`);
  }
});
