/**
 * Which room an event of a worker is for: SIDs of rooms, peers and members are noted as the commands go by, and forgotten
 * with their room, which goes by its name here.
 */
import type { MediaCommand } from "@stoa/core/engine/commands";
import type { MediaEvent } from "@stoa/core/engine/events";
import type { PeerId } from "@stoa/core/engine/specs";

interface RoomRoutes {
  /** SID, "" before a peer is opened. */
  sid: string;
  readonly peers: Set<PeerId>;
  readonly members: Set<string>;
}

export class MediaRoutes {
  readonly #rooms = new Map<string, RoomRoutes>();
  readonly #roomOfSid = new Map<string, string>();
  readonly #roomOfPeer = new Map<PeerId, string>();
  readonly #roomOfMember = new Map<string, string>();

  /** Notes what a command of this room opens or closes. */
  note(room: string, command: MediaCommand): void {
    switch (command.type) {
      case "openPeer":
        this.#of(room).sid = command.room;
        this.#of(room).peers.add(command.peer);
        this.#roomOfSid.set(command.room, room);
        this.#roomOfPeer.set(command.peer, room);
        break;
      case "closePeer":
        this.#rooms.get(room)?.peers.delete(command.peer);
        this.#roomOfPeer.delete(command.peer);
        break;
      case "setMember":
        this.#of(room).members.add(command.participant);
        this.#roomOfMember.set(command.participant, room);
        break;
      case "removeMember":
        this.#rooms.get(room)?.members.delete(command.participant);
        this.#roomOfMember.delete(command.participant);
        break;
    }
  }

  /** Forgets a room with everything in it. */
  forget(room: string): void {
    const routes = this.#rooms.get(room);
    if (!routes) return;
    this.#rooms.delete(room);
    this.#roomOfSid.delete(routes.sid);
    for (const peer of routes.peers) this.#roomOfPeer.delete(peer);
    for (const member of routes.members) this.#roomOfMember.delete(member);
  }

  /** The room that an event is for, or undefined when it is for none, or came too late. */
  roomOf(event: MediaEvent): string | undefined {
    if ("peer" in event) return this.#roomOfPeer.get(event.peer);
    if ("room" in event) return this.#roomOfSid.get(event.room);
    const aboutMember = event.type === "dataSequence" || event.type === "rpcReply" || event.type === "data";
    return aboutMember ? this.#roomOfMember.get(event.participant) : undefined;
  }

  /** Rooms and members at the moment: the load. */
  get load(): number {
    return this.#rooms.size + this.#roomOfMember.size;
  }

  #of(room: string): RoomRoutes {
    let routes = this.#rooms.get(room);
    if (!routes) this.#rooms.set(room, (routes = { sid: "", peers: new Set(), members: new Set() }));
    return routes;
  }
}
