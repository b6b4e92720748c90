/**
 * The only file that declares native functions. They come from the node process itself (it exports OpenSSL and libc),
 * else from the system's libraries. Every pointer is a plain number: a machine address below 2^53.
 *
 * A wrong declaration here can crash the process, so `self-check.ts` runs each of them once on known answers at start.
 */
import koffi from "koffi";
import { StoaError } from "@stoa/core/errors";

/** A native function. Addresses and integers are numbers; a `str` argument is text. */
export type NativeCall = (...args: (number | string)[]) => number;

type Bound<Names extends string> = { readonly [Name in Names]: NativeCall };

// C prototypes by name, pointers as intptr_t. `size_t` and `long` are 64 bits wide: the probe refuses other platforms.
const SSL_PROTOTYPES = {
  DTLS_method: "intptr_t DTLS_method()",
  SSL_CTX_new: "intptr_t SSL_CTX_new(intptr_t method)",
  SSL_CTX_free: "void SSL_CTX_free(intptr_t ctx)",
  SSL_CTX_ctrl: "long SSL_CTX_ctrl(intptr_t ctx, int cmd, long value, intptr_t data)",
  SSL_CTX_set_options: "uint64_t SSL_CTX_set_options(intptr_t ctx, uint64_t options)",
  SSL_CTX_set_cipher_list: "int SSL_CTX_set_cipher_list(intptr_t ctx, str list)",
  SSL_CTX_set_tlsext_use_srtp: "int SSL_CTX_set_tlsext_use_srtp(intptr_t ctx, str profiles)",
  SSL_CTX_use_certificate_ASN1: "int SSL_CTX_use_certificate_ASN1(intptr_t ctx, int length, intptr_t der)",
  SSL_CTX_use_PrivateKey_ASN1: "int SSL_CTX_use_PrivateKey_ASN1(int type, intptr_t ctx, intptr_t der, long length)",
  SSL_CTX_check_private_key: "int SSL_CTX_check_private_key(intptr_t ctx)",
  SSL_CTX_set_verify: "void SSL_CTX_set_verify(intptr_t ctx, int mode, intptr_t callback)",
  SSL_new: "intptr_t SSL_new(intptr_t ctx)",
  SSL_free: "void SSL_free(intptr_t ssl)",
  SSL_set_accept_state: "void SSL_set_accept_state(intptr_t ssl)",
  SSL_set_connect_state: "void SSL_set_connect_state(intptr_t ssl)",
  SSL_set_bio: "void SSL_set_bio(intptr_t ssl, intptr_t read, intptr_t write)",
  SSL_ctrl: "long SSL_ctrl(intptr_t ssl, int cmd, long value, intptr_t data)",
  SSL_do_handshake: "int SSL_do_handshake(intptr_t ssl)",
  SSL_read: "int SSL_read(intptr_t ssl, intptr_t to, int length)",
  SSL_write: "int SSL_write(intptr_t ssl, intptr_t from, int length)",
  SSL_shutdown: "int SSL_shutdown(intptr_t ssl)",
  SSL_alloc_buffers: "int SSL_alloc_buffers(intptr_t ssl)",
  SSL_free_buffers: "int SSL_free_buffers(intptr_t ssl)",
  SSL_get_error: "int SSL_get_error(intptr_t ssl, int result)",
  SSL_get1_peer_certificate: "intptr_t SSL_get1_peer_certificate(intptr_t ssl)",
  SSL_get_current_cipher: "intptr_t SSL_get_current_cipher(intptr_t ssl)",
  SSL_CIPHER_get_protocol_id: "uint16_t SSL_CIPHER_get_protocol_id(intptr_t cipher)",
  SSL_get_selected_srtp_profile: "intptr_t SSL_get_selected_srtp_profile(intptr_t ssl)",
  SSL_export_keying_material:
    "int SSL_export_keying_material(intptr_t ssl, intptr_t to, size_t length, str label, size_t label_length, intptr_t context, size_t context_length, int use_context)",
  DTLS_set_timer_cb: "void DTLS_set_timer_cb(intptr_t ssl, intptr_t callback)",
  BIO_new: "intptr_t BIO_new(intptr_t method)",
  BIO_free: "int BIO_free(intptr_t bio)",
  BIO_s_mem: "intptr_t BIO_s_mem()",
  BIO_ctrl: "long BIO_ctrl(intptr_t bio, int cmd, long value, intptr_t data)",
  BIO_read: "int BIO_read(intptr_t bio, intptr_t to, int length)",
  BIO_write: "int BIO_write(intptr_t bio, intptr_t from, int length)",
  X509_digest: "int X509_digest(intptr_t certificate, intptr_t digest, intptr_t to, intptr_t length)",
  X509_free: "void X509_free(intptr_t certificate)",
  ERR_get_error: "unsigned long ERR_get_error()",
  ERR_clear_error: "void ERR_clear_error()",
} as const;

const CRYPTO_PROTOTYPES = {
  EVP_aes_128_gcm: "intptr_t EVP_aes_128_gcm()",
  EVP_aes_128_ctr: "intptr_t EVP_aes_128_ctr()",
  EVP_sha256: "intptr_t EVP_sha256()",
  EVP_CIPHER_CTX_new: "intptr_t EVP_CIPHER_CTX_new()",
  EVP_CIPHER_CTX_free: "void EVP_CIPHER_CTX_free(intptr_t ctx)",
  EVP_CIPHER_CTX_ctrl: "int EVP_CIPHER_CTX_ctrl(intptr_t ctx, int cmd, int value, intptr_t data)",
  EVP_CipherInit_ex:
    "int EVP_CipherInit_ex(intptr_t ctx, intptr_t cipher, intptr_t engine, intptr_t key, intptr_t iv, int encrypt)",
  EVP_EncryptUpdate: "int EVP_EncryptUpdate(intptr_t ctx, intptr_t to, intptr_t written, intptr_t from, int length)",
  EVP_EncryptFinal_ex: "int EVP_EncryptFinal_ex(intptr_t ctx, intptr_t to, intptr_t written)",
  EVP_DecryptUpdate: "int EVP_DecryptUpdate(intptr_t ctx, intptr_t to, intptr_t written, intptr_t from, int length)",
  EVP_DecryptFinal_ex: "int EVP_DecryptFinal_ex(intptr_t ctx, intptr_t to, intptr_t written)",
  SHA1_Init: "int SHA1_Init(intptr_t state)",
  SHA1_Update: "int SHA1_Update(intptr_t state, intptr_t from, size_t length)",
  SHA1_Final: "int SHA1_Final(intptr_t digest, intptr_t state)",
  SHA1_Transform: "void SHA1_Transform(intptr_t state, intptr_t block)",
} as const;

const LIBC_PROTOTYPES = {
  mmap: "intptr_t mmap(intptr_t at, size_t length, int protection, int flags, int fd, int64_t offset)",
  madvise: "int madvise(intptr_t at, size_t length, int advice)",
  socket: "int socket(int domain, int type, int protocol)",
  bind: "int bind(int fd, intptr_t address, unsigned int length)",
  close: "int close(int fd)",
  getsockname: "int getsockname(int fd, intptr_t address, intptr_t length)",
  setsockopt: "int setsockopt(int fd, int level, int name, intptr_t value, unsigned int length)",
  getsockopt: "int getsockopt(int fd, int level, int name, intptr_t value, intptr_t length)",
  recvmmsg: "int recvmmsg(int fd, intptr_t messages, unsigned int count, int flags, intptr_t timeout)",
  sendmmsg: "int sendmmsg(int fd, intptr_t messages, unsigned int count, int flags)",
} as const;

/** OpenSSL's functions, with where they were found. */
export type OpenSsl = Bound<keyof typeof SSL_PROTOTYPES | keyof typeof CRYPTO_PROTOTYPES> & {
  /** For the log: "OpenSSL 3.0.19 of the node process". */
  readonly origin: string;
  /** Text of an error code, "" if unknown. */
  readonly reason: (code: number) => string;
};

/** The system calls of the Linux socket back end. */
export type LibC = Bound<keyof typeof LIBC_PROTOTYPES>;

/** Where OpenSSL may be: `undefined` is the node process itself. */
export const OPENSSL_LIBRARIES: readonly (string | undefined)[] = [
  undefined,
  "libssl.so.3",
  "/usr/lib/libssl.so.3",
  "libssl.3.dylib",
  "/opt/homebrew/opt/openssl@3/lib/libssl.3.dylib",
  "/usr/local/opt/openssl@3/lib/libssl.3.dylib",
];

/** Finds OpenSSL 3. Throws `openssl_missing` with one sentence when no library has all the functions. */
export function loadOpenSsl(libraries: readonly (string | undefined)[] = OPENSSL_LIBRARIES): OpenSsl {
  let cause: unknown;
  for (const library of libraries) {
    try {
      // A library that we load must not mix with an OpenSSL that the process may carry: `deep` binds it to itself.
      const handle = library === undefined ? koffi.load(null) : koffi.load(library, { deep: true });
      const version = handle.func("str OpenSSL_version(int what)") as (what: number) => string;
      const reason = handle.func("str ERR_reason_error_string(unsigned long code)") as (code: number) => string | null;
      const calls = { ...bind(handle, SSL_PROTOTYPES), ...bind(handle, CRYPTO_PROTOTYPES) };
      const origin = `${version(0).split(" ").slice(0, 2).join(" ")} of ${library ?? "the node process"}`;
      return { ...calls, origin, reason: (code) => reason(code) ?? "" };
    } catch (error) {
      cause ??= error;
    }
  }
  throw new StoaError(
    "openssl_missing",
    "OpenSSL 3 was found neither in the node process nor on this system, and DTLS needs it; use a node build from nodejs.org or install the libssl3 package",
    { cause },
  );
}

/** Binds the system calls of the Linux socket back end, or says undefined on another system. */
export function loadLibC(): LibC | undefined {
  for (const library of [null, "libc.so.6"]) {
    try {
      return bind(koffi.load(library), LIBC_PROTOTYPES);
    } catch {
      // not here; the caller falls back to node's own sockets
    }
  }
  return undefined;
}

function bind<Names extends string>(
  library: ReturnType<typeof koffi.load>,
  prototypes: Readonly<Record<Names, string>>,
): Bound<Names> {
  const bound = Object.entries<string>(prototypes).map(([name, prototype]) => [name, library.func(prototype)] as const);
  return Object.fromEntries(bound) as unknown as Bound<Names>;
}

/** Reads `errno` of the last system call of this thread. */
export function lastErrno(): number {
  return koffi.errno();
}

/** Error numbers of Linux that the socket back end tells apart. */
export const ERRNO = {
  EINTR: 4,
  EIO: 5,
  EAGAIN: 11,
  ENOMEM: 12,
  EINVAL: 22,
  EMSGSIZE: 90,
  EAFNOSUPPORT: 97,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  ENOBUFS: 105,
} as const;

/** JavaScript functions that OpenSSL calls back while one of our calls runs, as addresses of C functions. */
export interface DtlsCallbacks {
  /** `int (*)(int ok, X509_STORE_CTX *)`: takes every certificate; trust is the SDP fingerprint's business. */
  readonly acceptCertificate: number;
  /** `unsigned int (*)(SSL *, unsigned int us)`: the next retransmission interval in microseconds. */
  readonly nextTimer: number;
  close(): void;
}

/** Registers the two callbacks; `nextTimerUs` gets the former interval, 0 at first. */
export function registerDtlsCallbacks(nextTimerUs: (formerUs: number) => number): DtlsCallbacks {
  const verify = koffi.proto("int", ["int", "intptr_t"]);
  const timer = koffi.proto("unsigned int", ["intptr_t", "unsigned int"]);
  const accept = koffi.register(() => 1, koffi.pointer(verify));
  const next = koffi.register((_ssl: number, formerUs: number) => nextTimerUs(formerUs), koffi.pointer(timer));
  return {
    acceptCertificate: Number(accept),
    nextTimer: Number(next),
    close: () => {
      koffi.unregister(accept);
      koffi.unregister(next);
    },
  };
}

/** Memory outside the garbage collector: `bytes` stays valid until `free`, and must not be touched after it. */
export interface NativeBlock {
  readonly address: number;
  readonly bytes: Uint8Array;
  free(): void;
}

/** Allocates native memory; zeroing a large block makes the system commit all of it. */
export function allocateNative(length: number, content: "zero" | "undefined" = "zero"): NativeBlock {
  const pointer = koffi.alloc("uint8_t", length);
  const bytes = new Uint8Array(koffi.view(pointer, length));
  if (content === "zero") bytes.fill(0);
  return { address: Number(koffi.address(pointer)), bytes, free: () => koffi.free(pointer) };
}

/** Memory at an address that a native function gave; the caller knows that `length` bytes are there and stay there. */
export function viewNative(address: number, length: number): ArrayBuffer {
  return koffi.view(BigInt(address), length);
}

/** Reads 32 bits of native memory, where the caller knows that there are some. */
export function readNativeUint32(address: number): number {
  return koffi.decode.uint32(BigInt(address));
}
