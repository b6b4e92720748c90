/**
 * Any origin may call (livekit.md 1.1): access is a matter of tokens. The headers stand on errors too, or browsers would
 * hide the status from the SDK.
 */

const METHODS = ["OPTIONS", "HEAD", "GET", "POST", "PATCH", "DELETE"];
const VALIDATE_PATHS: ReadonlySet<string> = new Set(["/rtc/validate", "/rtc/v1/validate"]);

/** Headers of an answer to a request with this `Origin`. */
export function corsHeaders(origin: string | undefined, path: string): Record<string, string> {
  const headers: Record<string, string> = { vary: "Origin" };
  if (origin) {
    headers["access-control-allow-origin"] = origin;
    headers["access-control-expose-headers"] = "*";
  }
  if (VALIDATE_PATHS.has(path)) headers["access-control-allow-origin"] = "*";
  return headers;
}

/** Headers of the answer to a preflight; nothing is allowed for a method that does not exist here. */
export function preflightHeaders(origin: string, method: string, headerNames: string | undefined) {
  const headers: Record<string, string> = {
    vary: "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
  };
  if (!METHODS.includes(method.toUpperCase())) return headers;
  headers["access-control-allow-origin"] = origin;
  headers["access-control-allow-methods"] = method.toUpperCase();
  if (headerNames) headers["access-control-allow-headers"] = headerNames;
  headers["access-control-max-age"] = "86400";
  return headers;
}
