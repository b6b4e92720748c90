/**
 * One agent worker's connection: frames to messages and back, the registration within its deadline, signs of life.
 * Invariants: nothing but a ping is heard before the registration; whatever is no message ends the connection.
 */
import {
  JobType,
  ParticipantPermission,
  RegisterWorkerResponse,
  ServerMessage,
  WorkerMessage,
  WorkerPong,
  type RegisterWorkerRequest,
  type ServerInfo,
} from "@livekit/protocol";
import { WebSocket } from "ws";
import { deploymentMistake } from "./deployment.ts";
import type { Registration } from "./workers.ts";

const REGISTER_WITHIN_MS = 10_000;
const PING_EVERY_MS = 10_000;
/** A worker that is not heard for so long is gone. */
const SILENT_FOR_MS = 35_000;
/** Unread bytes beyond which a worker counts as gone. */
const MAX_BUFFERED_BYTES = 8 << 20;

/** What the owner of a connection hears, once it is registered. */
export interface ConnectionListener {
  onRegistered(registration: Registration): void;
  onMessage(message: Exclude<WorkerMessage["message"], { case: undefined }>): void;
  onClosed(reason: string): void;
}

export class AgentConnection {
  readonly id: string;
  readonly #ws: WebSocket;
  readonly #info: ServerInfo;
  readonly #nowMs: () => number;
  readonly #listener: ConnectionListener;
  readonly #timer: NodeJS.Timeout;
  readonly #openedMs: number;
  #heardMs: number;
  #registered = false;
  #binary = true;
  #reason = "the connection ended";

  constructor(id: string, ws: WebSocket, info: ServerInfo, nowMs: () => number, listener: ConnectionListener) {
    this.id = id;
    this.#ws = ws;
    this.#info = info;
    this.#nowMs = nowMs;
    this.#listener = listener;
    this.#openedMs = this.#heardMs = nowMs();
    ws.on("error", () => {}); // a close event follows
    ws.on("pong", () => (this.#heardMs = this.#nowMs()));
    ws.on("message", (data: Buffer, binary) => this.#receive(data, binary));
    ws.on("close", () => {
      clearInterval(this.#timer);
      listener.onClosed(this.#reason);
    });
    this.#timer = setInterval(() => this.#tick(), PING_EVERY_MS / 10);
    this.#timer.unref();
  }

  send(message: ServerMessage): void {
    if (this.#ws.readyState !== WebSocket.OPEN) return;
    if (this.#ws.bufferedAmount > MAX_BUFFERED_BYTES) return this.#end("it does not read");
    this.#ws.send(this.#binary ? message.toBinary() : message.toJsonString());
  }

  /** Says goodbye: the worker connects again, here or elsewhere. */
  close(): void {
    this.#ws.close(1001, "server is shutting down");
    setTimeout(() => this.#ws.terminate(), 500).unref();
  }

  #receive(data: Buffer, binary: boolean): void {
    this.#heardMs = this.#nowMs();
    this.#binary = binary;
    const message = parseWorkerMessage(data, binary)?.message;
    if (message?.case === undefined) return this.#end("it sent what is no message");
    if (message.case === "ping") return this.#answerPing(message.value.timestamp);
    if (this.#registered) return this.#listener.onMessage(message);
    if (message.case !== "register") return this.#end("it did not register first");
    const mistake = registrationMistake(message.value);
    if (mistake !== undefined) return this.#end(mistake);
    this.#registered = true;
    const value = new RegisterWorkerResponse({ workerId: this.id, serverInfo: this.#info });
    this.send(new ServerMessage({ message: { case: "register", value } }));
    this.#listener.onRegistered(readRegistration(this.id, message.value));
  }

  #answerPing(lastTimestamp: bigint): void {
    const value = new WorkerPong({ lastTimestamp, timestamp: BigInt(Math.floor(this.#nowMs())) });
    this.send(new ServerMessage({ message: { case: "pong", value } }));
  }

  #tick(): void {
    const nowMs = this.#nowMs();
    if (!this.#registered && nowMs - this.#openedMs > REGISTER_WITHIN_MS)
      return this.#end("it did not register in time");
    if (nowMs - this.#heardMs > SILENT_FOR_MS) return this.#end("it was not heard any more");
    if (nowMs - this.#heardMs > PING_EVERY_MS && this.#ws.readyState === WebSocket.OPEN) this.#ws.ping();
  }

  #end(reason: string): void {
    this.#reason = reason;
    this.#ws.close(1002);
    setTimeout(() => this.#ws.terminate(), 500).unref();
  }
}

/** The message in one frame; undefined when it is something else. */
function parseWorkerMessage(data: Uint8Array, binary: boolean): WorkerMessage | undefined {
  try {
    if (binary) return WorkerMessage.fromBinary(data);
    return WorkerMessage.fromJsonString(new TextDecoder().decode(data), { ignoreUnknownFields: true });
  } catch {
    return undefined;
  }
}

function registrationMistake({ type, deployment }: RegisterWorkerRequest): string | undefined {
  if (JobType[type] === undefined) return "it registered for an unknown type of job";
  const mistake = deploymentMistake(deployment);
  return mistake === undefined ? undefined : `its deployment ${mistake}`;
}

function readRegistration(id: string, request: RegisterWorkerRequest): Registration {
  const { agentName, namespace = "", type, deployment, allowedPermissions } = request;
  const allowed = { canSubscribe: true, canPublish: true, canPublishData: true, canUpdateMetadata: true };
  const permissions = allowedPermissions ?? new ParticipantPermission(allowed);
  return { id, agentName, namespace, type, deployment, permissions };
}
