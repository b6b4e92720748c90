/**
 * DTLS 1.2 by OpenSSL (RFC 6347, RFC 5764, RFC 8827): one context with the process's certificate, from which sessions
 * are made. Memory BIOs keep it free of I/O; see `dtls-session.ts`.
 *
 * Trust: OpenSSL checks that the peer owns the key of the certificate it shows; that the certificate is the one of the
 * SDP is checked by the caller with `peerFingerprint` before any key is used.
 */
import type { DtlsFactory, SrtpProfile } from "@stoa/core/crypto";
import { StoaError } from "@stoa/core/errors";
import type { Certificate } from "./certificate.ts";
import { fingerprintOf } from "./certificate.ts";
import { DtlsOpenSslSession } from "./dtls-session.ts";
import type { DtlsCallbacks, NativeBlock, OpenSsl } from "./native.ts";
import { allocateNative, registerDtlsCallbacks } from "./native.ts";

const SSL_CTRL_MODE = 33;
const SSL_CTRL_SET_SESS_CACHE_MODE = 44;
const SSL_CTRL_SET_MAX_SEND_FRAGMENT = 52;
const SSL_CTRL_SET_GROUPS_LIST = 92;
const SSL_CTRL_SET_MIN_PROTO_VERSION = 123;
const SSL_MODE_AUTO_RETRY = 0x4;
const DTLS1_2_VERSION = 0xfefd;
const SSL_OP_NO_QUERY_MTU = 0x1000;
const SSL_OP_NO_TICKET = 0x4000;
const SSL_OP_NO_COMPRESSION = 0x20000;
/** OpenSSL ends a session of "encrypt then MAC" (RFC 7366) for any forged record. */
const SSL_OP_NO_ENCRYPT_THEN_MAC = 0x80000;
const SSL_OP_NO_RENEGOTIATION = 0x40000000;
const SSL_VERIFY_PEER_REQUIRED = 1 | 2;
const EVP_PKEY_EC = 408;

const CIPHERS =
  "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-CHACHA20-POLY1305:" +
  "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA";
const GROUPS = "X25519:P-256:P-384";

/** In the order in which a server prefers them. */
export const SRTP_PROFILES: readonly SrtpProfile[] = ["SRTP_AEAD_AES_128_GCM", "SRTP_AES128_CM_SHA1_80"];

/** First retransmission of a flight and the longest pause between two, in microseconds. */
const FIRST_TIMER_US = 100_000;
const LONGEST_TIMER_US = 2_000_000;

/** Longest plaintext of one of our records. */
const MAX_FRAGMENT_BYTES = 2048;

/** Bytes through which sessions and OpenSSL talk: the largest record and a whole flight fit. */
const SCRATCH_BYTES = 65_536;

/** What all sessions of a factory share. One call at a time runs, so one scratch area is enough. */
export interface DtlsContext {
  readonly ssl: OpenSsl;
  /** `SSL_CTX *` */
  readonly handle: number;
  readonly callbacks: DtlsCallbacks;
  readonly scratch: NativeBlock;
}

export interface DtlsFactoryOptions {
  readonly openssl: OpenSsl;
  readonly certificate: Certificate;
  /** Offered and accepted, preferred first; `SRTP_PROFILES` by default. */
  readonly profiles?: readonly SrtpProfile[];
}

/** A factory whose native memory is freed by `close`, after its sessions are closed. */
export interface ClosableDtlsFactory extends DtlsFactory {
  close(): void;
}

/** Makes the context. Throws `dtls_failed` when OpenSSL does not take the certificate or an option. */
export function createDtlsFactory(options: DtlsFactoryOptions): ClosableDtlsFactory {
  const { openssl: ssl, certificate } = options;
  const scratch = allocateNative(SCRATCH_BYTES);
  const callbacks = registerDtlsCallbacks(nextTimerUs);
  const handle = ssl.SSL_CTX_new(ssl.DTLS_method());
  const free = (): void => {
    if (handle > 0) ssl.SSL_CTX_free(handle);
    callbacks.close();
    scratch.free();
  };
  try {
    if (handle <= 0) throw failure(ssl, "SSL_CTX_new");
    const context: DtlsContext = { ssl, handle, callbacks, scratch };
    configure(context, options.profiles ?? SRTP_PROFILES);
    useCertificate(context, certificate);
    let open = true;
    return {
      fingerprint: fingerprintOf(certificate.certDer),
      create: (role) => {
        if (!open) throw new StoaError("dtls_failed", "the DTLS factory is closed");
        return new DtlsOpenSslSession(context, role);
      },
      close: () => {
        if (open) free();
        open = false;
      },
    };
  } catch (error) {
    free();
    throw error;
  }
}

function nextTimerUs(formerUs: number): number {
  return formerUs === 0 ? FIRST_TIMER_US : Math.min(formerUs * 2, LONGEST_TIMER_US);
}

function configure(context: DtlsContext, profiles: readonly SrtpProfile[]): void {
  const { ssl, handle, callbacks, scratch } = context;
  const need = (ok: boolean, what: string): void => {
    if (!ok) throw failure(ssl, what);
  };
  need(ssl.SSL_CTX_ctrl(handle, SSL_CTRL_SET_MIN_PROTO_VERSION, DTLS1_2_VERSION, 0) === 1, "DTLS 1.2");
  need(ssl.SSL_CTX_set_cipher_list(handle, CIPHERS) === 1, "the cipher list");
  scratch.bytes.set(new TextEncoder().encode(`${GROUPS}\0`));
  need(ssl.SSL_CTX_ctrl(handle, SSL_CTRL_SET_GROUPS_LIST, 0, scratch.address) === 1, "the key exchange groups");
  // This one returns 0 for success.
  need(ssl.SSL_CTX_set_tlsext_use_srtp(handle, profiles.join(":")) === 0, "the SRTP profiles");
  // Our records stay below a datagram; without this, OpenSSL keeps 16 KiB per session to write them.
  need(ssl.SSL_CTX_ctrl(handle, SSL_CTRL_SET_MAX_SEND_FRAGMENT, MAX_FRAGMENT_BYTES, 0) === 1, "the fragment size");
  ssl.SSL_CTX_ctrl(handle, SSL_CTRL_SET_SESS_CACHE_MODE, 0, 0);
  ssl.SSL_CTX_ctrl(handle, SSL_CTRL_MODE, SSL_MODE_AUTO_RETRY, 0);
  ssl.SSL_CTX_set_options(
    handle,
    SSL_OP_NO_QUERY_MTU |
      SSL_OP_NO_TICKET |
      SSL_OP_NO_COMPRESSION |
      SSL_OP_NO_ENCRYPT_THEN_MAC |
      SSL_OP_NO_RENEGOTIATION,
  );
  ssl.SSL_CTX_set_verify(handle, SSL_VERIFY_PEER_REQUIRED, callbacks.acceptCertificate);
}

function useCertificate(context: DtlsContext, certificate: Certificate): void {
  const { ssl, handle, scratch } = context;
  const { certDer, keyDer } = certificate;
  scratch.bytes.set(certDer);
  const taken = ssl.SSL_CTX_use_certificate_ASN1(handle, certDer.length, scratch.address) === 1;
  scratch.bytes.set(keyDer);
  const keyTaken = ssl.SSL_CTX_use_PrivateKey_ASN1(EVP_PKEY_EC, handle, scratch.address, keyDer.length) === 1;
  scratch.bytes.fill(0, 0, Math.max(certDer.length, keyDer.length));
  if (!taken || !keyTaken || ssl.SSL_CTX_check_private_key(handle) !== 1) throw failure(ssl, "the certificate");
}

function failure(ssl: OpenSsl, what: string): StoaError {
  const reason = ssl.reason(ssl.ERR_get_error());
  ssl.ERR_clear_error();
  return new StoaError("dtls_failed", `OpenSSL refused ${what}${reason ? `: ${reason}` : ""}`);
}
