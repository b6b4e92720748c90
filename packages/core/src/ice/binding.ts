/** Binding requests and answers as both ICE agents handle them (RFC 8445 section 7.3): authentication and responses. */
import { ERROR_ROLE_CONFLICT, ERROR_UNKNOWN_ATTRIBUTE, METHOD_BINDING } from "@stoa/wire/stun/constants";
import { hasIntegrity } from "@stoa/wire/stun/integrity";
import type { StunMessage } from "@stoa/wire/stun/message";
import { writeStun } from "@stoa/wire/stun/write";
import type { Hashes } from "../crypto.ts";
import type { PathInfo } from "../paths.ts";
import { type IceCredentials, type LocalCredentials, stunSigner } from "./credentials.ts";

/** The credentials of ours that signed this request, or undefined: the request is not for us or a forgery. */
export function authenticateRequest(
  u8: Uint8Array,
  at: number,
  message: StunMessage,
  local: LocalCredentials,
  hashes: Hashes,
): IceCredentials | undefined {
  const colon = message.username?.indexOf(":") ?? -1;
  if (colon < 0) return undefined;
  const credentials = local.find(message.username!.slice(0, colon));
  if (!credentials) return undefined;
  return hasIntegrity(u8, at, message.integrityOffset, stunSigner(credentials, hashes)) ? credentials : undefined;
}

/** The answer to a valid check: the address that it came from. */
export function successResponse(
  request: StunMessage,
  source: PathInfo,
  credentials: IceCredentials,
  hashes: Hashes,
): Uint8Array {
  return writeStun(
    {
      class: "success",
      method: METHOD_BINDING,
      transactionId: request.transactionId,
      mappedAddress: { address: source.address, port: source.port },
    },
    stunSigner(credentials, hashes),
  );
}

/** Both sides claim the same role, and this one keeps its own (section 7.3.1.1). */
export function roleConflictResponse(request: StunMessage, credentials: IceCredentials, hashes: Hashes): Uint8Array {
  return writeStun(
    {
      class: "error",
      method: METHOD_BINDING,
      transactionId: request.transactionId,
      errorCode: ERROR_ROLE_CONFLICT,
      errorReason: "Role Conflict",
    },
    stunSigner(credentials, hashes),
  );
}

/** The request has attributes that must be understood and are not (RFC 8489 section 6.3.1). */
export function unknownAttributeResponse(
  request: StunMessage,
  credentials: IceCredentials,
  hashes: Hashes,
): Uint8Array {
  return writeStun(
    {
      class: "error",
      method: METHOD_BINDING,
      transactionId: request.transactionId,
      errorCode: ERROR_UNKNOWN_ATTRIBUTE,
      errorReason: "Unknown Attribute",
      unknownAttributes: request.unknown,
    },
    stunSigner(credentials, hashes),
  );
}
