import assert from "node:assert/strict";
import { test } from "node:test";
import {
  CandidateProtocol,
  ClientConfigSetting,
  ClientInfo_SDK,
  ICEServer,
  LeaveRequest_Action,
  Ping,
  ReconnectReason,
  SimulateScenario,
} from "@livekit/protocol";
import type { StreamStats } from "../engine/figures.ts";
import { emptyStats } from "../media/stream-stats.ts";
import type { Client } from "./harness-client.test.ts";
import { World } from "./harness.test.ts";
import { DEFAULT_TRANSPORT_POLICY, type TransportPolicy } from "./options.ts";

const TURN = [
  new ICEServer({ urls: ["turn:t.example:3478", "turns:t.example:443?transport=tcp"], username: "u", credential: "c" }),
  new ICEServer({ urls: ["stun:s.example:3478"] }),
];

function world(policy: Partial<TransportPolicy> = {}, iceServers: ICEServer[] = []): World {
  const transport = { ...DEFAULT_TRANSPORT_POLICY, ...policy };
  return new World({}, {}, { transport, iceServers: () => iceServers });
}

function ping(client: Client, rtt = 20): void {
  client.request({ case: "pingReq", value: new Ping({ timestamp: 1n, rtt: BigInt(rtt) }) });
}

/** Media falls silent for the ten seconds after which a worker says so, while the client goes on pinging. */
function silence(w: World, client: Client): void {
  for (let i = 0; i < 2; i++) {
    w.advance(5000);
    ping(client);
  }
  for (const peer of client.peers) client.peerState(peer, "disconnected");
}

function protocols(sdp: string): string {
  return [...new Set([...sdp.matchAll(/^a=candidate:\S+ \d (\w+) /gm)].map((match) => match[1]))].join();
}

/** Comes back after a Leave, and restarts ICE where it is the one to do it. */
function comeBack(client: Client, reason = ReconnectReason.RR_SIGNAL_DISCONNECTED): void {
  client.forget();
  client.resume(reason);
  client.restartIce();
}

/** Where ICE was restarted last, and whether UDP is still answered there. */
function lastRestart(w: World): { peer: number; tcpOnly: boolean | undefined } {
  const { peer, tcpOnly } = w.commands("restartIce").at(-1)!;
  return { peer, tcpOnly };
}

for (const peerConnections of ["single", "dual"] as const) {
  test(`${peerConnections}: a young connection whose media dies while signalling lives goes on over TCP`, () => {
    const w = world();
    const alice = w.connect("alice", { peerConnections });
    assert.equal(alice.last("join")!.fastPublish, true);
    assert.equal(protocols(alice.last(peerConnections === "dual" ? "offer" : "answer")!.sdp), "udp,tcp");
    silence(w, alice);
    assert.equal(alice.leave?.action, LeaveRequest_Action.RESUME);
    comeBack(alice);
    assert.equal(protocols(alice.last("answer")!.sdp), "tcp");
    if (peerConnections === "dual") assert.equal(protocols(alice.last("offer")!.sdp), "tcp");
    assert.equal(lastRestart(w).tcpOnly, true);
    alice.connectMedia("tcp");
    w.advance(40_000);
    assert.equal(alice.connection !== 0, true, "the session goes on");
  });
}

test("a peer of before that fails during the resume does not cut the client off again", () => {
  const w = world();
  const alice = w.connect("alice", { peerConnections: "dual" });
  silence(w, alice);
  comeBack(alice);
  alice.forget();
  w.advance(3000);
  for (const peer of alice.peers) alice.peerState(peer, "failed");
  assert.equal(alice.leave, undefined);
  alice.connectMedia("tcp");
  w.advance(30_000);
  assert.notEqual(alice.connection, 0);
});

test("an identity that comes back starts where its last session came to, for some minutes", () => {
  const w = world();
  silence(w, w.connect("alice"));
  const again = w.connect("alice");
  assert.equal(again.last("join")!.fastPublish, false);
  assert.equal(protocols(again.last("answer")!.sdp), "tcp");
  assert.deepEqual(
    again.all("trickle").map(({ candidateInit }) => protocols(`a=${JSON.parse(candidateInit).candidate}`)),
    ["tcp"],
  );
  assert.equal(w.commands("openPeer").at(-1)!.tcpOnly, true);
  const other = w.connect("bob");
  assert.equal(protocols(other.last("answer")!.sdp), "udp,tcp");
  w.advance(301_000);
  assert.equal(protocols(w.connect("alice").last("answer")!.sdp), "udp,tcp");
});

test("when the client is not heard either, the network is away and nothing is chosen", () => {
  const w = world();
  const alice = w.connect("alice");
  w.advance(15_000);
  for (const state of ["disconnected", "failed"] as const) alice.peerState(alice.peers[0]!, state);
  comeBack(alice);
  assert.equal(protocols(alice.last("answer")!.sdp), "udp,tcp");
});

test("while media comes, lost connectivity checks are no reason to hurry", () => {
  const w = world();
  const alice = w.connect("alice");
  w.advance(9000);
  ping(alice);
  const event = { type: "peerState", peer: alice.peers[0]!, state: "disconnected", detail: "", silent: false } as const;
  w.room.handleMedia(event, w.nowMs);
  w.perform();
  assert.equal(alice.leave, undefined);
});

test("a client that closes its connection found nothing wrong with it", () => {
  const w = world();
  const alice = w.connect("alice");
  alice.peerState(alice.peers[0]!, "closed");
  assert.equal(protocols(w.connect("alice").last("answer")!.sdp), "udp,tcp");
});

test("an old connection may fail once; twice within a minute is too much", () => {
  const w = world();
  const alice = w.connect("alice");
  const keepTalking = (ms: number) => {
    for (let i = 0; i < ms; i += 5000) {
      w.advance(5000);
      ping(alice);
    }
  };
  keepTalking(100_000);
  silence(w, alice);
  comeBack(alice);
  assert.equal(protocols(alice.last("answer")!.sdp), "udp,tcp");
  alice.connectMedia();
  silence(w, alice);
  comeBack(alice);
  assert.equal(protocols(alice.last("answer")!.sdp), "tcp", "the second one was short-lived");
});

test("a client that says that its connection failed is believed", () => {
  const w = world();
  const alice = w.connect("alice", { peerConnections: "dual" });
  alice.dropSignal();
  comeBack(alice, ReconnectReason.RR_SUBSCRIBER_FAILED);
  assert.equal(protocols(alice.last("offer")!.sdp), "tcp");
  assert.equal(lastRestart(w).tcpOnly, true);
  alice.connectMedia("udp");
  alice.dropSignal();
  comeBack(alice, ReconnectReason.RR_PUBLISHER_FAILED);
  assert.equal(protocols(alice.last("answer")!.sdp), "tcp", "up over UDP before: TCP was not tried yet");
});

test("where TCP does not come up either, everything is tried again", () => {
  const w = world();
  const alice = w.connect("alice");
  silence(w, alice);
  comeBack(alice);
  alice.dropSignal();
  comeBack(alice, ReconnectReason.RR_PUBLISHER_FAILED);
  assert.equal(protocols(alice.last("answer")!.sdp), "udp,tcp");
  assert.equal(lastRestart(w).tcpOnly, false);
});

test("after TCP, or where a client has none, comes TURN over TLS", () => {
  for (const options of [{}, { sdk: ClientInfo_SDK.GO }]) {
    const w = world({}, TURN);
    const alice = w.connect("alice", options);
    silence(w, alice);
    comeBack(alice);
    if (options.sdk === undefined) {
      alice.connectMedia("tcp");
      silence(w, alice);
      comeBack(alice);
    }
    const { clientConfiguration, iceServers } = alice.last("reconnect")!;
    assert.equal(clientConfiguration?.forceRelay, ClientConfigSetting.ENABLED);
    assert.deepEqual(
      iceServers.map(({ urls, username }) => [...urls, username]),
      [["turns:t.example:443?transport=tcp", "u"]],
    );
    assert.equal(protocols(alice.last("answer")!.sdp), "udp,tcp", "the relay is free to choose");
    const again = w.connect("alice", options);
    assert.equal(again.last("join")!.clientConfiguration?.forceRelay, ClientConfigSetting.ENABLED);
    assert.equal(again.last("join")!.iceServers.length, 1);
  }
});

test("the configuration switches it off, or asks for quick signalling", () => {
  const off = world({ tcpFallback: false });
  const alice = off.connect("alice");
  silence(off, alice);
  assert.equal(alice.leave, undefined, "LiveKit's fifteen seconds");
  off.advance(5000);
  alice.peerState(alice.peers[0]!, "failed");
  comeBack(alice);
  assert.equal(protocols(alice.last("answer")!.sdp), "udp,tcp");

  for (const [rtt, expected] of [
    [20, "tcp"],
    [500, "udp,tcp"],
  ] as const) {
    const w = world({ tcpFallbackRttMs: 100 });
    const bob = w.connect("bob");
    w.advance(1000);
    ping(bob, rtt);
    bob.peerState(bob.peers[0]!, "failed");
    comeBack(bob);
    assert.equal(protocols(bob.last("answer")!.sdp), expected);
  }
});

test("UDP that loses a quarter for twenty seconds gives way to TCP, if the configuration wants it", () => {
  const stream: StreamStats = {
    ...emptyStats("TR_1"),
    packets: 100,
    lost: 30,
    bytes: 1,
    silentMs: 0,
  };
  const totals = { packetsIn: 0, packetsOut: 0, bytesIn: 0, bytesOut: 0, estimateBps: 0, receivers: [] };
  for (const [lost, udpUnstableFallback, rounds] of [
    [30, true, 4],
    [30, false, undefined],
    [20, true, undefined],
  ] as const) {
    const w = world({ udpUnstableFallback, tcpFallbackRttMs: 200 });
    const alice = w.connect("alice");
    let left: number | undefined;
    for (let i = 1; i <= 12 && left === undefined; i++) {
      w.advance(5000);
      ping(alice, 20);
      const stats = { ...totals, peer: alice.peers[0]!, rttMs: 30, senders: [{ ...stream, lost }] };
      w.room.handleMedia({ type: "stats", peer: stats.peer, stats }, w.nowMs);
      w.perform();
      if (alice.leave) left = i;
    }
    assert.equal(left, rounds, `${lost} % lost`);
    if (rounds === undefined) continue;
    comeBack(alice);
    assert.equal(protocols(alice.last("answer")!.sdp), "tcp");
  }
});

test("a client switches its protocol to try that out: ICE is restarted where the server offers, and the choice stays", () => {
  const w = world({}, TURN);
  const alice = w.connect("alice", { peerConnections: "dual" });
  const bob = w.connect("bob");
  const choose = (client: Client, value: CandidateProtocol) => {
    client.forget();
    const scenario = { case: "switchCandidateProtocol", value } as const;
    client.request({ case: "simulate", value: new SimulateScenario({ scenario }) });
  };
  choose(alice, CandidateProtocol.TCP);
  assert.equal(protocols(alice.last("offer")!.sdp), "tcp");
  assert.equal(lastRestart(w).tcpOnly, true);
  assert.notEqual(alice.connection, 0);
  choose(alice, CandidateProtocol.UDP);
  assert.equal(protocols(alice.last("offer")!.sdp), "udp,tcp");
  assert.equal(lastRestart(w).tcpOnly, false);

  choose(bob, CandidateProtocol.TLS);
  assert.deepEqual([bob.last("offer"), bob.leave], [undefined, undefined], "it comes back by itself");
  const again = w.connect("bob");
  assert.equal(again.last("join")!.clientConfiguration?.forceRelay, ClientConfigSetting.ENABLED);
});
