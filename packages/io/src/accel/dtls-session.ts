/**
 * One DTLS session over memory BIOs. The loop is always the same: put a datagram in, let OpenSSL work until it wants
 * more, take out what it wrote, cut into datagrams at record borders.
 *
 * Invariants: native memory lives from the constructor to the end of the session (closed, failed, or `close`), and no
 * call is made without it; both queues are bounded; the peer's bytes never throw. OpenSSL's error queue is the
 * thread's and also Node's, so it is left empty. An open session holds its record buffers (19 KiB) only during a call.
 */
import type { DtlsRole, DtlsSession, SrtpKeyMaterial, SrtpProfile } from "@stoa/core/crypto";
import { StoaError } from "@stoa/core/errors";
import { formatFingerprint } from "./certificate.ts";
import type { DtlsContext } from "./dtls-openssl.ts";
import { readNativeUint32 } from "./native.ts";
import { DatagramQueue, packRecords } from "./dtls-queue.ts";
import { isPlausible, minRecordBytes, recordEnd } from "./dtls-records.ts";

/** Longest datagram of a handshake. */
export const MAX_DATAGRAM_BYTES = 1200;

/** Longest application message: one record in one datagram that still fits an Ethernet MTU with IPv6 and UDP headers. */
const MAX_SEND_BYTES = 1400;

/** Longest datagram that is looked at. */
const MAX_RECEIVE_BYTES = 16_384;

/** Upper bounds of what waits to be polled. */
const MAX_QUEUED = 1024;
const MAX_QUEUED_BYTES = 1 << 20;

const BIO_CTRL_RESET = 1;
const BIO_C_SET_BUF_MEM_EOF_RETURN = 130;
const SSL_CTRL_SET_LINK_MTU = 120;
const DTLS_CTRL_GET_TIMEOUT = 73;
const DTLS_CTRL_HANDLE_TIMEOUT = 74;
const SSL_ERROR_WANT_READ = 2;
const SSL_ERROR_WANT_WRITE = 3;
const SSL_ERROR_ZERO_RETURN = 6;

const EXPORTER_LABEL = "EXTRACTOR-dtls_srtp";

/** Key and salt lengths of a protection profile, by its number in RFC 5764 and RFC 7714. */
const PROFILES: ReadonlyMap<number, { name: SrtpProfile; key: number; salt: number }> = new Map([
  [1, { name: "SRTP_AES128_CM_SHA1_80", key: 16, salt: 14 }],
  [7, { name: "SRTP_AEAD_AES_128_GCM", key: 16, salt: 12 }],
]);

/** See `DtlsSession`. Datagrams of application data may exceed 1,200 bytes by the overhead of a record. */
export class DtlsOpenSslSession implements DtlsSession {
  readonly #context: DtlsContext;
  readonly #role: DtlsRole;
  readonly #out = new DatagramQueue(MAX_QUEUED, MAX_QUEUED_BYTES);
  readonly #in = new DatagramQueue(MAX_QUEUED, MAX_QUEUED_BYTES);
  /** `SSL *`; 0 once freed. It owns both BIOs. */
  #ssl: number;
  #readBio = 0;
  #writeBio = 0;
  #state: DtlsSession["state"] = "handshaking";
  #failure: string | undefined;
  /** See `isPlausible`. */
  #minRecordBytes = 0;
  #fingerprint: string | undefined;

  constructor(context: DtlsContext, role: DtlsRole) {
    const { ssl } = context;
    this.#context = context;
    this.#role = role;
    this.#ssl = ssl.SSL_new(context.handle);
    this.#readBio = ssl.BIO_new(ssl.BIO_s_mem());
    this.#writeBio = ssl.BIO_new(ssl.BIO_s_mem());
    if (this.#ssl <= 0 || this.#readBio <= 0 || this.#writeBio <= 0) {
      if (this.#readBio > 0) ssl.BIO_free(this.#readBio);
      if (this.#writeBio > 0) ssl.BIO_free(this.#writeBio);
      if (this.#ssl > 0) ssl.SSL_free(this.#ssl);
      throw new StoaError("out_of_memory", "OpenSSL could not allocate a DTLS session");
    }
    // An empty memory BIO means "come back later", not "end of file".
    ssl.BIO_ctrl(this.#readBio, BIO_C_SET_BUF_MEM_EOF_RETURN, -1, 0);
    ssl.BIO_ctrl(this.#writeBio, BIO_C_SET_BUF_MEM_EOF_RETURN, -1, 0);
    ssl.SSL_set_bio(this.#ssl, this.#readBio, this.#writeBio);
    ssl.SSL_ctrl(this.#ssl, SSL_CTRL_SET_LINK_MTU, MAX_DATAGRAM_BYTES, 0);
    ssl.DTLS_set_timer_cb(this.#ssl, context.callbacks.nextTimer);
    if (role === "client") ssl.SSL_set_connect_state(this.#ssl);
    else ssl.SSL_set_accept_state(this.#ssl);
  }

  get state(): DtlsSession["state"] {
    return this.#state;
  }

  get failure(): string | undefined {
    return this.#failure;
  }

  start(): void {
    if (this.#role === "client") this.#step();
  }

  receive(datagram: Uint8Array): void {
    if (this.#ssl === 0 || datagram.length === 0 || datagram.length > MAX_RECEIVE_BYTES) return;
    for (let at = 0; at < datagram.length && this.#ssl !== 0;) {
      const open = this.#state === "open";
      const end = open ? datagram.length : recordEnd(datagram, at);
      const records = open && at === 0 ? datagram : datagram.subarray(at, end);
      if (!open || isPlausible(records, this.#minRecordBytes)) this.#take(records);
      at = end;
    }
  }

  send(data: Uint8Array): boolean {
    if (this.#state !== "open" || data.length === 0 || data.length > MAX_SEND_BYTES) return false;
    if (this.#out.full) return false;
    const { ssl, scratch } = this.#context;
    scratch.bytes.set(data);
    ssl.ERR_clear_error();
    if (ssl.SSL_alloc_buffers(this.#ssl) !== 1) return false;
    const written = ssl.SSL_write(this.#ssl, scratch.address, data.length);
    ssl.ERR_clear_error();
    this.#takeOutput();
    ssl.SSL_free_buffers(this.#ssl);
    return written === data.length;
  }

  pollDatagram(): Uint8Array | undefined {
    return this.#out.shift();
  }

  pollData(): Uint8Array | undefined {
    return this.#in.shift();
  }

  timeoutMs(): number | undefined {
    if (this.#ssl === 0 || this.#state !== "handshaking") return undefined;
    const { ssl, scratch } = this.#context;
    if (ssl.SSL_ctrl(this.#ssl, DTLS_CTRL_GET_TIMEOUT, 0, scratch.address) !== 1) return undefined;
    // struct timeval: two 64-bit numbers
    const view = new DataView(scratch.bytes.buffer);
    return Number(view.getBigInt64(0, true)) * 1000 + Number(view.getBigInt64(8, true)) / 1000;
  }

  handleTimeout(): void {
    if (this.#ssl === 0 || this.#state !== "handshaking") return;
    const { ssl, scratch } = this.#context;
    ssl.ERR_clear_error();
    const result = ssl.SSL_ctrl(this.#ssl, DTLS_CTRL_HANDLE_TIMEOUT, 0, scratch.address);
    this.#takeOutput();
    if (result < 0) this.#end("failed", "DTLS handshake timed out: the peer did not answer any more");
    ssl.ERR_clear_error();
  }

  peerFingerprint(): string | undefined {
    return this.#fingerprint;
  }

  exportSrtpKeys(): SrtpKeyMaterial | undefined {
    if (this.#state !== "open") return undefined;
    const { ssl, scratch } = this.#context;
    const selected = ssl.SSL_get_selected_srtp_profile(this.#ssl);
    if (selected <= 0) return undefined;
    // struct { const char *name; unsigned long id; }
    const id = readNativeUint32(selected + 8);
    const profile = PROFILES.get(id);
    if (!profile) return undefined;
    const { name, key, salt } = profile;
    const length = 2 * (key + salt);
    const label = [EXPORTER_LABEL, EXPORTER_LABEL.length] as const;
    if (ssl.SSL_export_keying_material(this.#ssl, scratch.address, length, ...label, 0, 0, 0) !== 1) {
      ssl.ERR_clear_error();
      return undefined;
    }
    const material = scratch.bytes.slice(0, length);
    scratch.bytes.fill(0, 0, length);
    return {
      profile: name,
      clientKey: material.slice(0, key),
      serverKey: material.slice(key, 2 * key),
      clientSalt: material.slice(2 * key, 2 * key + salt),
      serverSalt: material.slice(2 * key + salt),
    };
  }

  close(): void {
    if (this.#state === "handshaking" || this.#state === "open") this.#end("closed");
    this.#in.clear();
  }

  /** As if they were a datagram of their own. */
  #take(records: Uint8Array): void {
    const { ssl, scratch } = this.#context;
    scratch.bytes.set(records);
    if (ssl.BIO_write(this.#readBio, scratch.address, records.length) !== records.length) {
      ssl.ERR_clear_error();
      return; // no memory: as if the network had lost it
    }
    this.#step();
    // A datagram stands alone: what OpenSSL left of it must not run into the next one.
    if (this.#ssl !== 0) ssl.BIO_ctrl(this.#readBio, BIO_CTRL_RESET, 0, 0);
  }

  /** Handshake, then application data, until OpenSSL wants more datagrams. */
  #step(): void {
    if (this.#ssl === 0) return;
    const { ssl } = this.#context;
    ssl.ERR_clear_error();
    if (this.#state === "handshaking") this.#handshake();
    if (this.#state === "open" && ssl.SSL_alloc_buffers(this.#ssl) === 1) this.#readAll();
    this.#takeOutput();
    if (this.#state === "open") ssl.SSL_free_buffers(this.#ssl); // refused while a record is half read
    ssl.ERR_clear_error();
  }

  #handshake(): void {
    const { ssl } = this.#context;
    const result = ssl.SSL_do_handshake(this.#ssl);
    if (result === 1) {
      this.#fingerprint = this.#readFingerprint();
      if (this.#fingerprint === undefined) this.#end("failed", "DTLS handshake failed: the peer showed no certificate");
      else {
        this.#minRecordBytes = minRecordBytes(ssl.SSL_CIPHER_get_protocol_id(ssl.SSL_get_current_cipher(this.#ssl)));
        this.#state = "open";
      }
      return;
    }
    const error = ssl.SSL_get_error(this.#ssl, result);
    if (error === SSL_ERROR_WANT_READ || error === SSL_ERROR_WANT_WRITE) return;
    this.#end("failed", `DTLS handshake failed: ${this.#reason()}`);
  }

  #readAll(): void {
    const { ssl, scratch } = this.#context;
    while (this.#ssl !== 0) {
      const length = ssl.SSL_read(this.#ssl, scratch.address, MAX_RECEIVE_BYTES);
      if (length > 0) {
        this.#in.push(scratch.bytes.slice(0, length)); // full: lost, as on the network; SCTP sends it again
        continue;
      }
      const error = ssl.SSL_get_error(this.#ssl, length);
      if (error === SSL_ERROR_ZERO_RETURN) this.#end("closed");
      else if (error !== SSL_ERROR_WANT_READ && error !== SSL_ERROR_WANT_WRITE) {
        this.#end("failed", `DTLS failed: ${this.#reason()}`);
      }
      return;
    }
  }

  #takeOutput(): void {
    if (this.#ssl === 0) return;
    const { ssl, scratch } = this.#context;
    const length = ssl.BIO_read(this.#writeBio, scratch.address, scratch.bytes.length);
    if (length > 0) packRecords(scratch.bytes.subarray(0, length), MAX_DATAGRAM_BYTES, this.#out);
  }

  /** Says good-bye as far as the state allows, keeps the last datagrams, frees native memory. */
  #end(state: "closed" | "failed", failure?: string): void {
    const { ssl } = this.#context;
    if (this.#ssl === 0) return;
    if (this.#state === "open" && state === "closed" && ssl.SSL_alloc_buffers(this.#ssl) === 1) {
      ssl.SSL_shutdown(this.#ssl);
    }
    this.#takeOutput();
    ssl.ERR_clear_error();
    ssl.SSL_free(this.#ssl);
    this.#ssl = 0;
    this.#state = state;
    this.#failure = failure;
  }

  #readFingerprint(): string | undefined {
    const { ssl, scratch } = this.#context;
    const certificate = ssl.SSL_get1_peer_certificate(this.#ssl);
    if (certificate <= 0) return undefined;
    const done = ssl.X509_digest(certificate, ssl.EVP_sha256(), scratch.address, scratch.address + 64) === 1;
    ssl.X509_free(certificate);
    return done ? formatFingerprint(scratch.bytes.subarray(0, 32)) : undefined;
  }

  #reason(): string {
    const { ssl } = this.#context;
    return ssl.reason(ssl.ERR_get_error()) || "the peer broke the protocol";
  }
}
