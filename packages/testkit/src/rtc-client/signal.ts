/** Signalling of the packet-level client: `/rtc` (two peer connections), binary protobuf, pings. */
import { type JoinResponse, LeaveRequest, Ping, SignalRequest, SignalResponse } from "@livekit/protocol";
import WebSocket from "ws";

/** What the client says: one case of `SignalRequest`. */
export type Request = Exclude<SignalRequest["message"], { case: undefined }>;
/** What the server says. */
export type Response = SignalResponse["message"];

/** First bytes (field tag) of the messages that the client handles. With hundreds of clients the others, participant updates above all, cost too much. */
const HANDLED = new Set([2, 3, 4, 6, 8].map((field) => (field << 3) | 2)); // answer, offer, trickle, track_published, leave

const QUERY = { auto_subscribe: "1", sdk: "js", version: "2.23.0", protocol: "17", client_protocol: "2" };

/** One signalling connection that has been joined. */
export class SignalConnection {
  readonly join: JoinResponse;
  readonly #socket: WebSocket;
  readonly #ping: NodeJS.Timeout;
  readonly #early: Response[] = [];
  #onMessage: ((message: Response) => void) | undefined;
  #onClose: (reason: string) => void = () => {};

  private constructor(socket: WebSocket, join: JoinResponse) {
    this.#socket = socket;
    this.join = join;
    this.#ping = setInterval(() => this.#sendPing(), Math.max(join.pingInterval, 1) * 1000);
    socket.on("message", (bytes) => {
      if (!HANDLED.has((bytes as Buffer)[0]!)) return;
      const { message } = SignalResponse.fromBinary(bytes as Buffer);
      if (this.#onMessage) this.#onMessage(message);
      else this.#early.push(message);
    });
    socket.on("close", (code, reason) => {
      clearInterval(this.#ping);
      this.#onClose(`${code} ${String(reason)}`);
    });
  }

  /** Joins the room of the token; rejects with the server's words when it refuses. */
  static open(url: string, token: string): Promise<SignalConnection> {
    const query = new URLSearchParams({ access_token: token, ...QUERY });
    const socket = new WebSocket(`${url}/rtc?${query.toString()}`, { perMessageDeflate: false });
    return new Promise((resolve, reject) => {
      socket.once("error", reject);
      socket.once("unexpected-response", (_request, response) => {
        response.resume();
        reject(new Error(`the server refuses the join with status ${response.statusCode}`));
      });
      socket.once("message", (bytes) => {
        socket.off("error", reject);
        socket.on("error", () => {}); // "close" follows
        const { message } = SignalResponse.fromBinary(bytes as Buffer);
        if (message.case === "join") resolve(new SignalConnection(socket, message.value));
        else reject(new Error(`the first message is ${message.case}, not join`));
      });
    });
  }

  /** Who gets the messages; those that came before are delivered now. */
  listen(onMessage: (message: Response) => void, onClose: (reason: string) => void): void {
    this.#onMessage = onMessage;
    this.#onClose = onClose;
    for (const message of this.#early.splice(0)) onMessage(message);
  }

  send(message: Request): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(new SignalRequest({ message }).toBinary());
  }

  /** Says goodbye and closes. */
  close(): void {
    clearInterval(this.#ping);
    this.#onClose = () => {};
    this.send({ case: "leave", value: new LeaveRequest() });
    this.#socket.close();
  }

  #sendPing(): void {
    this.send({ case: "pingReq", value: new Ping({ timestamp: BigInt(Date.now()) }) });
  }
}
