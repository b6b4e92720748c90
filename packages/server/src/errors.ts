/** Errors of `@stoa/server`: the codes, and the one class that carries a sentence for the person who started the server. */
import { StoaError } from "@stoa/core/errors";

/** Stable codes of this package. */
export type ServerErrorCode =
  | "bad_config"
  | "no_keys"
  | "key_file"
  | "port_in_use"
  | "address_unavailable"
  | "media_start"
  | "bad_grant";

/** A mistake of the operator: `message` is one sentence that says what, where and what to do. No stack is shown. */
export function operatorError(code: ServerErrorCode, message: string, cause?: unknown): StoaError {
  return new StoaError(code, message, cause === undefined ? undefined : { cause });
}

const FILE_TROUBLE: Readonly<Record<string, string>> = {
  ENOENT: "does not exist",
  EACCES: "may not be read by this user",
  EISDIR: "is a folder",
};

/** Why a file could not be read, to be said after its name. */
export function whyUnread(error: unknown): string {
  const { code, message } = error as { code?: string; message?: string };
  return FILE_TROUBLE[code ?? ""] ?? `cannot be read (${code ?? message ?? String(error)})`;
}

/** Whether `error` is one of ours, to be shown as a sentence rather than as a crash. */
export function isOperatorError(error: unknown): error is StoaError {
  return error instanceof StoaError;
}
