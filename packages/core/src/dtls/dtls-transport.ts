/**
 * One DTLS association as a peer uses it (RFC 8827, RFC 5763): waits for its role, keeps what arrives too early, checks the certificate
 * against the SDP, keeps time. Invariant: neither keys nor data pass before the certificate has matched a fingerprint.
 */
import { NEVER } from "../clock.ts";
import type { DtlsFactory, DtlsRole, DtlsSession, SrtpKeyMaterial } from "../crypto.ts";

/** LiveKit's limit for a whole handshake. */
const HANDSHAKE_TIMEOUT_MS = 60_000;
/** A ClientHello of today comes in two datagrams; twice that may wait for the role. */
const MAX_EARLY_DATAGRAMS = 4;
const MAX_EARLY_BYTES = 8192;
/** A session whose timer is due again at once must not keep the loop spinning. */
const MIN_TIMER_MS = 1;

const MISMATCH = "certificate fingerprint does not match the SDP";

/** "new": no role or not begun. "open": the handshake is done and the certificate is the right one. */
export type DtlsState = "new" | "handshaking" | "open" | "closed" | "failed";

/** See the file's head. After every call, drain `pollDatagram` and `pollData`, then read `state`. */
export class DtlsTransport {
  readonly #factory: DtlsFactory;
  #session: DtlsSession | undefined;
  #role: DtlsRole | undefined;
  #fingerprints: readonly string[] = [];
  #state: DtlsState = "new";
  #detail = "";
  #early: Uint8Array[] = [];
  #earlyBytes = 0;
  #retransmitMs = NEVER;
  #giveUpMs = NEVER;

  constructor(factory: DtlsFactory) {
    this.#factory = factory;
  }

  get state(): DtlsState {
    return this.#state;
  }

  /** One sentence when `state` is "failed" or "closed". */
  get detail(): string {
    return this.#detail;
  }

  get role(): DtlsRole | undefined {
    return this.#role;
  }

  /** What the other side's SDP says. The role of the first call stays; fingerprints may change until the certificate is known. */
  setRemote(role: DtlsRole, fingerprints: readonly string[]): void {
    this.#role ??= role;
    this.#fingerprints = fingerprints.map((fingerprint) => fingerprint.toUpperCase());
    if (this.#state === "open") this.#verify();
  }

  /** There is a path now: the handshake starts, if the role is known. Later calls do nothing. */
  begin(nowMs: number): void {
    if (this.#state !== "new" || !this.#role) return;
    this.#state = "handshaking";
    this.#giveUpMs = nowMs + HANDSHAKE_TIMEOUT_MS;
    this.#session = this.#factory.create(this.#role);
    this.#session.start();
    for (const datagram of this.#early) this.#session.receive(datagram);
    this.#early = [];
    this.#follow(nowMs);
  }

  receive(datagram: Uint8Array, nowMs: number): void {
    if (this.#session) {
      this.#session.receive(datagram);
      this.#follow(nowMs);
    } else if (
      this.#state === "new" &&
      this.#early.length < MAX_EARLY_DATAGRAMS &&
      this.#earlyBytes + datagram.length <= MAX_EARLY_BYTES
    ) {
      this.#early.push(datagram.slice());
      this.#earlyBytes += datagram.length;
    }
  }

  /** False when not open. */
  send(data: Uint8Array): boolean {
    return this.#state === "open" && this.#session !== undefined && this.#session.send(data);
  }

  /** Next datagram for the wire. */
  pollDatagram(): Uint8Array | undefined {
    return this.#session?.pollDatagram();
  }

  /** Next application record of a peer whose certificate is the right one. */
  pollData(): Uint8Array | undefined {
    return this.#state === "open" ? this.#session?.pollData() : undefined;
  }

  /** Keys for SRTP once open; undefined if no profile was negotiated. */
  exportSrtpKeys(): SrtpKeyMaterial | undefined {
    return this.#state === "open" ? this.#session?.exportSrtpKeys() : undefined;
  }

  nextTimeoutMs(): number {
    return Math.min(this.#retransmitMs, this.#giveUpMs);
  }

  handleTimeout(nowMs: number): void {
    if (nowMs >= this.#giveUpMs) {
      this.#fail(`the DTLS handshake was not finished within ${HANDSHAKE_TIMEOUT_MS / 1000} s`);
    } else if (nowMs >= this.#retransmitMs) {
      this.#session?.handleTimeout();
      this.#follow(nowMs);
    }
  }

  /** Says goodbye if open, and frees native memory; drain `pollDatagram` once more. */
  close(): void {
    this.#session?.close();
    if (this.#state !== "failed") this.#state = "closed";
    this.#retransmitMs = this.#giveUpMs = NEVER;
    this.#early = [];
  }

  /** Takes over what the session has become. */
  #follow(nowMs: number): void {
    const session = this.#session;
    if (!session || this.#state === "failed" || this.#state === "closed") return;
    if (session.state === "failed") {
      this.#fail(session.failure ?? "the DTLS session failed");
      return;
    }
    if (session.state === "closed") {
      this.#state = "closed";
      this.#detail = "closed by the other side";
      this.#retransmitMs = this.#giveUpMs = NEVER;
      return;
    }
    if (session.state === "open" && this.#state === "handshaking") {
      this.#giveUpMs = NEVER;
      this.#state = "open";
      this.#verify();
    }
    const timeoutMs = session.state === "handshaking" || this.#state === "open" ? session.timeoutMs() : undefined;
    this.#retransmitMs = timeoutMs === undefined ? NEVER : nowMs + Math.max(timeoutMs, MIN_TIMER_MS);
  }

  #verify(): void {
    const actual = this.#session?.peerFingerprint()?.toUpperCase();
    if (actual === undefined || !this.#fingerprints.includes(actual)) this.#fail(MISMATCH);
  }

  #fail(detail: string): void {
    this.#state = "failed";
    this.#detail = detail;
    this.#retransmitMs = this.#giveUpMs = NEVER;
  }
}
