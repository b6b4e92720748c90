/** Access tokens for tests, made without the server's own code so that both cannot be wrong in the same way. */
import { createHmac } from "node:crypto";

/** Claims of the video grant. */
export type TestGrants = Record<string, unknown>;

/** An HS256 token for `identity`, valid for ten minutes. `claims` go beside the grant. */
export function createAccessToken(
  key: string,
  secret: string,
  identity: string,
  video: TestGrants,
  claims: Record<string, unknown> = {},
): string {
  const nowS = Math.floor(Date.now() / 1000);
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const body = `${part({ alg: "HS256", typ: "JWT" })}.${part({ iss: key, sub: identity, nbf: nowS - 5, exp: nowS + 600, video, ...claims })}`;
  return `${body}.${createHmac("sha256", secret).update(body).digest("base64url")}`;
}
