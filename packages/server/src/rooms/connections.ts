/**
 * Which signal connection belongs to which participant of which room, from the join to the end of the socket.
 * Connections are numbered and never reused, so that an effect for an old one misses the new one.
 */
import type { SignalId } from "@stoa/core/room/effects";
import type { ParticipantSid } from "@stoa/core/room/sid";
import type { ConnectRequest } from "../signal/connect-request.ts";
import type { SignalSocket } from "../signal/socket.ts";
import type { RoomRunner } from "./runner.ts";

/** One open connection. */
export interface Connection {
  readonly socket: SignalSocket;
  readonly request: ConnectRequest;
  readonly runner: RoomRunner;
  /** Known once the join succeeded. */
  participant: ParticipantSid | undefined;
}

export class Connections {
  readonly #byId = new Map<SignalId, Connection>();

  add(connection: Connection): void {
    this.#byId.set(connection.socket.id, connection);
  }

  get(id: SignalId): Connection | undefined {
    return this.#byId.get(id);
  }

  delete(id: SignalId): void {
    this.#byId.delete(id);
  }

  /** The connections into one room. */
  of(runner: RoomRunner): Connection[] {
    return [...this.#byId.values()].filter((connection) => connection.runner === runner);
  }
}
