/** A relay with three members, for the tests beside this file: what each is sent, on which channel. */
import { DataPacket, UserPacket } from "@livekit/protocol";
import type { MemberSpec, PeerId } from "../engine/specs.ts";
import { DATA_OUTCOMES, type MessageCounts } from "./message-counts.ts";
import { DataRelay } from "./relay.ts";

export const member = (identity: string, dataPeer: PeerId, more: Partial<MemberSpec> = {}): MemberSpec => ({
  identity,
  canPublish: true,
  canPublishData: true,
  canSubscribe: true,
  hidden: false,
  agent: false,
  active: true,
  away: false,
  dataPeer,
  ...more,
});

/** Alice, bob and carol on peers 1, 2 and 3; `open`: whose channels are open. */
export function room(open: ReadonlySet<PeerId> = new Set([1, 2, 3])) {
  const got: { peer: PeerId; label: string; packet: DataPacket }[] = [];
  const opened = new Set(open);
  const replies: { participant: string; packet: DataPacket }[] = [];
  const relay = new DataRelay(
    (peer, label, bytes) => {
      if (!opened.has(peer)) return "closed";
      got.push({ peer, label, packet: DataPacket.fromBinary(bytes) });
      return "queued";
    },
    (participant, bytes) => replies.push({ participant, packet: DataPacket.fromBinary(bytes) }),
  );
  relay.setMember("R", "PA_a", member("alice", 1));
  relay.setMember("R", "PA_b", member("bob", 2));
  relay.setMember("R", "PA_c", member("carol", 3));
  return { relay, got, opened, replies };
}

export const user = (text: string, more: Partial<DataPacket> = {}, inside: Partial<UserPacket> = {}): Uint8Array =>
  new DataPacket({
    ...more,
    value: { case: "user", value: new UserPacket({ payload: new TextEncoder().encode(text), topic: "t", ...inside }) },
  } as DataPacket).toBinary();

/** What became of messages since the last call, over all channels. */
export function countsOf({ counts }: { counts: MessageCounts }): Record<(typeof DATA_OUTCOMES)[number], number> {
  const taken = counts.take() ?? [];
  const sum = (outcome: number) =>
    taken.reduce((all, n, i) => (i % DATA_OUTCOMES.length === outcome ? all + n : all), 0);
  return Object.fromEntries(DATA_OUTCOMES.map((name, i) => [name, sum(i)])) as ReturnType<typeof countsOf>;
}
