/** A hand-made signalling connection (`/rtc/v1`): sends whatever a test wants, keeps every answer. */
import {
  JoinRequest,
  SignalRequest,
  SignalResponse,
  WrappedJoinRequest,
  WrappedJoinRequest_Compression,
} from "@livekit/protocol";
import WebSocket from "ws";
import type { ServerProcess } from "./server-process.ts";
import { until } from "./until.ts";

type Request = NonNullable<SignalRequest["message"]>;
type Response = SignalResponse["message"];
type ResponseCase = NonNullable<Response["case"]>;

/** The `join_request` parameter of a client that says as little as possible. */
export function plainJoinRequest(request: JoinRequest = new JoinRequest({ clientInfo: { protocol: 17 } })): string {
  const wrapped = new WrappedJoinRequest({
    compression: WrappedJoinRequest_Compression.NONE,
    joinRequest: request.toBinary(),
  });
  return Buffer.from(wrapped.toBinary())
    .toString("base64url")
    .padEnd(4 * Math.ceil(wrapped.toBinary().length / 3), "=");
}

/** One open socket with what came over it. */
export class RawSignal {
  readonly socket: WebSocket;
  readonly messages: Response[] = [];
  closeCode: number | undefined;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on("message", (data: Buffer) => this.messages.push(SignalResponse.fromBinary(data).message));
    socket.on("close", (code) => (this.closeCode = code));
    socket.on("error", () => {});
  }

  static async connect(server: ServerProcess, identity: string, room: string): Promise<RawSignal> {
    const query = new URLSearchParams({ access_token: server.token(identity, room), join_request: plainJoinRequest() });
    const signal = new RawSignal(
      new WebSocket(`${server.url}/rtc/v1?${query.toString()}`, { perMessageDeflate: false }),
    );
    await signal.wait("join");
    return signal;
  }

  send(message: Request): void {
    this.socket.send(new SignalRequest({ message }).toBinary());
  }

  /** The first answer of this kind, waiting for it. */
  async wait<C extends ResponseCase>(kind: C, timeoutMs = 5000): Promise<Extract<Response, { case: C }>["value"]> {
    const found = (): Response | undefined => this.messages.find((m) => m.case === kind);
    await until(
      () => found() !== undefined,
      timeoutMs,
      () => `a ${kind}; got ${this.messages.map((m) => m.case).join(", ")} close ${this.closeCode}`,
    );
    return found()!.value as never;
  }

  async closed(timeoutMs = 5000): Promise<number> {
    await until(() => this.closeCode !== undefined, timeoutMs, "the socket to close");
    return this.closeCode!;
  }

  close(): void {
    this.socket.close();
  }
}
