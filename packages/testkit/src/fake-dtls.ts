/**
 * A `DtlsFactory` without cryptography, for scenario tests of what is around DTLS: a three-message handshake with retransmission,
 * fingerprints, keys, plaintext records. Datagrams look like DTLS by their first byte only.
 *
 *   client hello (22, 1) → server hello (22, 2) → client finished (22, 3) → records (23); close_notify is (21, 0).
 */
import { createHash } from "node:crypto";
import type { DtlsFactory, DtlsRole, DtlsSession, SrtpKeyMaterial, SrtpProfile } from "@stoa/core/crypto";

const HANDSHAKE = 22;
const ALERT = 21;
const DATA = 23;
const FIRST_TIMEOUT_MS = 100;
/** As long as a DTLS record header, for demultiplexing drops what is too short to be anything. */
const HEADER_BYTES = 13;

/** Sessions that show a certificate called `name`. */
export class FakeDtlsFactory implements DtlsFactory {
  readonly fingerprint: string;
  readonly profile: SrtpProfile;
  /** Sessions that were made and not closed: a leak check. */
  open = 0;

  constructor(name: string, profile: SrtpProfile = "SRTP_AEAD_AES_128_GCM") {
    const digest = createHash("sha256").update(name).digest("hex").toUpperCase();
    this.fingerprint = digest.match(/../g)!.join(":");
    this.profile = profile;
  }

  create(role: DtlsRole): DtlsSession {
    this.open++;
    return new FakeDtlsSession(this, role);
  }
}

class FakeDtlsSession implements DtlsSession {
  readonly failure: string | undefined = undefined;
  state: DtlsSession["state"] = "handshaking";
  readonly #factory: FakeDtlsFactory;
  readonly #role: DtlsRole;
  readonly #datagrams: Uint8Array[] = [];
  readonly #data: Uint8Array[] = [];
  #flight: Uint8Array | undefined;
  #timeoutMs = FIRST_TIMEOUT_MS;
  #peer: string | undefined;
  #released = false;

  constructor(factory: FakeDtlsFactory, role: DtlsRole) {
    this.#factory = factory;
    this.#role = role;
  }

  start(): void {
    if (this.#role === "client") this.#send(this.#hello(1));
  }

  receive(datagram: Uint8Array): void {
    const [type, step] = datagram;
    if (this.#released || this.state === "closed") return;
    if (type === DATA && this.#peer !== undefined) {
      this.#becomeOpen();
      this.#data.push(datagram.slice(HEADER_BYTES));
    } else if (type === ALERT && datagram.length === HEADER_BYTES && this.state === "open") {
      this.state = "closed";
    } else if (type === HANDSHAKE && this.#role === "server" && step === 1) {
      this.#peer = Buffer.from(datagram.subarray(HEADER_BYTES)).toString();
      this.#send(this.#hello(2));
    } else if (type === HANDSHAKE && this.#role === "client" && step === 2) {
      this.#peer = Buffer.from(datagram.subarray(HEADER_BYTES)).toString();
      this.#becomeOpen();
      this.#datagrams.push(this.#hello(3));
    } else if (type === HANDSHAKE && this.#role === "server" && step === 3 && this.#peer !== undefined) {
      this.#becomeOpen();
    }
  }

  send(data: Uint8Array): boolean {
    if (this.state !== "open" || this.#released) return false;
    this.#datagrams.push(record(DATA, 0, data));
    return true;
  }

  pollDatagram(): Uint8Array | undefined {
    return this.#datagrams.shift();
  }

  pollData(): Uint8Array | undefined {
    return this.#data.shift();
  }

  timeoutMs(): number | undefined {
    return this.state === "handshaking" && this.#flight ? this.#timeoutMs : undefined;
  }

  handleTimeout(): void {
    if (this.state !== "handshaking" || !this.#flight) return;
    this.#timeoutMs = Math.min(this.#timeoutMs * 2, 2000);
    this.#datagrams.push(this.#flight);
  }

  peerFingerprint(): string | undefined {
    return this.#peer;
  }

  exportSrtpKeys(): SrtpKeyMaterial | undefined {
    if (this.state !== "open" || this.#peer === undefined) return undefined;
    const both = [this.#factory.fingerprint, this.#peer];
    if (this.#role === "server") both.reverse();
    const key = (label: string, length: number) =>
      new Uint8Array(
        createHash("sha256")
          .update(`${label} ${both.join(" ")}`)
          .digest()
          .subarray(0, length),
      );
    const salt = this.#factory.profile === "SRTP_AEAD_AES_128_GCM" ? 12 : 14;
    return {
      profile: this.#factory.profile,
      clientKey: key("client key", 16),
      clientSalt: key("client salt", salt),
      serverKey: key("server key", 16),
      serverSalt: key("server salt", salt),
    };
  }

  close(): void {
    if (this.#released) return;
    this.#released = true;
    this.#factory.open--;
    if (this.state === "open") this.#datagrams.push(record(ALERT, 0, new Uint8Array(0)));
    this.state = "closed";
  }

  #becomeOpen(): void {
    this.state = "open";
    this.#flight = undefined;
  }

  #hello(step: number): Uint8Array {
    return record(HANDSHAKE, step, Buffer.from(this.#factory.fingerprint));
  }

  #send(flight: Uint8Array): void {
    this.#flight = flight;
    this.#datagrams.push(flight);
  }
}

function record(type: number, step: number, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + body.length);
  bytes.set([type, step]);
  bytes.set(body, HEADER_BYTES);
  return bytes;
}
