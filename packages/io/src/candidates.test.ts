import { describe, test } from "node:test";
import assert from "node:assert/strict";
import type { NetworkInterfaceInfo } from "node:os";
import type { CandidateOptions, Interfaces } from "./candidates.ts";
import { DEFAULT_CANDIDATE_OPTIONS, localCandidates, ownAddresses } from "./candidates.ts";

function info(address: string, internal = false): NetworkInterfaceInfo {
  const common = { address, internal, mac: "00:00:00:00:00:00", netmask: "", cidr: null };
  return address.includes(":") ? { ...common, family: "IPv6", scopeid: 0 } : { ...common, family: "IPv4" };
}

const INTERFACES: Interfaces = {
  lo: [info("127.0.0.1", true), info("::1", true)],
  eth0: [info("10.0.0.5"), info("2001:db8::5"), info("fe80::5")],
  docker0: [info("172.17.0.1"), info("169.254.1.1")],
};

function addresses(options: Partial<CandidateOptions>, tcp?: number): string[] {
  const merged = { ...DEFAULT_CANDIDATE_OPTIONS, ...options };
  return localCandidates(INTERFACES, merged, { udp: 7882, tcp }).map(
    ({ protocol, address, port }) => `${protocol} ${address} ${port}`,
  );
}

const udp = (...list: string[]): string[] => list.map((address) => `udp ${address} 7882`);

describe("local candidates", () => {
  test("every address but loopback and link-local ones", () => {
    assert.deepEqual(addresses({}), udp("10.0.0.5", "2001:db8::5", "172.17.0.1"));
  });

  test("TCP ones come behind UDP", () => {
    assert.deepEqual(addresses({ interfaces: { includes: ["eth0"], excludes: [] } }, 7881), [
      ...udp("10.0.0.5", "2001:db8::5"),
      "tcp 10.0.0.5 7881",
      "tcp 2001:db8::5 7881",
    ]);
  });

  test("loopback only on request, one of it, and last", () => {
    assert.deepEqual(addresses({ loopback: true }), udp("10.0.0.5", "2001:db8::5", "172.17.0.1", "127.0.0.1"));
    assert.deepEqual(addresses({ loopback: true, nodeIp: "127.0.0.1" }), udp("127.0.0.1", "2001:db8::5"));
    const v6 = { includes: ["::1/128"], excludes: [] };
    assert.deepEqual(addresses({ loopback: true, ips: v6 }), udp("::1"));
  });

  test("the node IP stands for the addresses of its family", () => {
    assert.deepEqual(addresses({ nodeIp: "203.0.113.9" }), udp("203.0.113.9", "2001:db8::5"));
    assert.deepEqual(addresses({ nodeIp: "127.0.0.1" }), udp("127.0.0.1", "2001:db8::5"));
    assert.deepEqual(
      addresses({ nodeIp: "203.0.113.9", loopback: true }),
      udp("203.0.113.9", "2001:db8::5", "127.0.0.1"),
    );
  });

  test("interfaces by name: includes choose, excludes win", () => {
    assert.deepEqual(addresses({ interfaces: { includes: ["docker0"], excludes: [] } }), udp("172.17.0.1"));
    assert.deepEqual(
      addresses({ interfaces: { includes: [], excludes: ["docker0"] } }),
      udp("10.0.0.5", "2001:db8::5"),
    );
    assert.deepEqual(addresses({ interfaces: { includes: ["eth0"], excludes: ["eth0"] } }), []);
  });

  test("addresses by network, in both families; what is no network matches nothing", () => {
    assert.deepEqual(addresses({ ips: { includes: ["10.0.0.0/8"], excludes: [] } }), udp("10.0.0.5"));
    assert.deepEqual(
      addresses({ ips: { includes: [], excludes: ["172.16.0.0/12", "2001:db8::/32"] } }),
      udp("10.0.0.5"),
    );
    assert.deepEqual(addresses({ ips: { includes: ["10.0.0.5"], excludes: [] } }), udp("10.0.0.5"));
    assert.deepEqual(addresses({ ips: { includes: ["nonsense", "10.0.0.0/99"], excludes: [] } }), []);
  });

  test("only addresses that the sockets listen on", () => {
    assert.deepEqual(addresses({ listen: ["10.0.0.5"] }), udp("10.0.0.5"));
    assert.deepEqual(addresses({ listen: ["0.0.0.0"] }), udp("10.0.0.5", "172.17.0.1"));
    assert.deepEqual(addresses({ listen: ["::"] }), udp("2001:db8::5"));
  });
});

test("addresses to answer from: all but link-local ones, also those that are not announced", () => {
  assert.deepEqual(ownAddresses(INTERFACES), ["127.0.0.1", "::1", "10.0.0.5", "2001:db8::5", "172.17.0.1"]);
});
