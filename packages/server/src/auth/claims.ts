/**
 * What an access token says (livekit.md 6): the claims beside the registered ones. Names as in the JWT. The grants are
 * tri-state: `undefined` is "not said", which stands for true in `canPublish`, `canSubscribe`, `canPublishData`.
 * Unknown claims are ignored, `null` counts as absent, a wrong type makes the token malformed.
 */
import { ParticipantInfo_Kind, ParticipantInfo_KindDetail, RoomConfiguration, TrackSource } from "@livekit/protocol";
import { z } from "zod";

const bool = () =>
  z
    .boolean()
    .nullish()
    .transform((value) => value ?? undefined);
const text = () =>
  z
    .string()
    .nullish()
    .transform((value) => value ?? undefined);
const group = <S extends z.ZodRawShape>(shape: S) =>
  z
    .object(shape)
    .nullish()
    .transform((value) => value ?? undefined);

const videoSchema = z.object({
  roomCreate: bool(),
  roomList: bool(),
  roomRecord: bool(),
  roomAdmin: bool(),
  roomJoin: bool(),
  room: text(),
  destinationRoom: text(),
  canPublish: bool(),
  canSubscribe: bool(),
  canPublishData: bool(),
  canPublishSources: z
    .array(z.string())
    .nullish()
    .transform((value) => value ?? undefined),
  canUpdateOwnMetadata: bool(),
  ingressAdmin: bool(),
  hidden: bool(),
  recorder: bool(),
  agent: bool(),
  canSubscribeMetrics: bool(),
  canManageAgentSession: bool(),
});

/** The `video` grant as written. */
export type VideoGrant = Partial<z.output<typeof videoSchema>>;

const claimsSchema = z.object({
  name: text(),
  kind: text(),
  kindDetails: z
    .array(z.string())
    .nullish()
    .transform((value) => value ?? []),
  metadata: text(),
  attributes: z
    .record(z.string(), z.string())
    .nullish()
    .transform((value) => value ?? {}),
  sha256: text(),
  roomPreset: text(),
  roomConfig: z.unknown().optional(),
  video: videoSchema.nullish().transform((value) => value ?? undefined),
  sip: group({ admin: bool(), call: bool() }),
  agent: group({ admin: bool(), simulationAdmin: bool(), databaseAdmin: bool(), dispatchAdmin: bool() }),
  inference: group({ perform: bool() }),
  observability: group({ write: bool() }),
});

/** Everything a token grants. */
export interface TokenGrants {
  readonly identity: string;
  readonly name: string;
  readonly kind: ParticipantInfo_Kind;
  readonly kindDetails: readonly ParticipantInfo_KindDetail[];
  readonly metadata: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly sha256: string;
  readonly roomPreset: string;
  readonly roomConfig: RoomConfiguration | undefined;
  readonly video: VideoGrant | undefined;
  readonly sip: { readonly admin?: boolean | undefined; readonly call?: boolean | undefined } | undefined;
  readonly agent: { readonly admin?: boolean | undefined } | undefined;
  readonly inference: { readonly perform?: boolean | undefined } | undefined;
  readonly observability: { readonly write?: boolean | undefined } | undefined;
}

/** The claims of a verified payload, or one phrase that says which claim has a wrong type. */
export function parseClaims(payload: unknown, identity: string): TokenGrants | string {
  const result = claimsSchema.safeParse(payload);
  if (!result.success) {
    const issue = result.error.issues[0]!;
    return `claim ${issue.path.join(".")} has a wrong type`;
  }
  const claims = result.data;
  let roomConfig: RoomConfiguration | undefined;
  if (claims.roomConfig !== undefined && claims.roomConfig !== null) {
    try {
      roomConfig = RoomConfiguration.fromJson(claims.roomConfig as never, { ignoreUnknownFields: true });
    } catch {
      return "claim roomConfig is not a RoomConfiguration";
    }
  }
  return {
    ...claims,
    identity,
    name: claims.name ?? "",
    kind: kindFromClaim(claims.kind),
    kindDetails: claims.kindDetails.map((detail) => enumValue(ParticipantInfo_KindDetail, detail)).filter(isNumber),
    metadata: claims.metadata ?? "",
    sha256: claims.sha256 ?? "",
    roomPreset: claims.roomPreset ?? "",
    roomConfig,
  };
}

/** "agent" → AGENT; an unknown word is STANDARD. */
export function kindFromClaim(kind: string | undefined): ParticipantInfo_Kind {
  return enumValue(ParticipantInfo_Kind, kind ?? "") ?? ParticipantInfo_Kind.STANDARD;
}

/** The other way round. */
export function kindToClaim(kind: ParticipantInfo_Kind): string {
  return ParticipantInfo_Kind[kind]?.toLowerCase() ?? "standard";
}

/** "screen_share" → SCREEN_SHARE; an unknown word is UNKNOWN, so that it allows nothing real. */
export function sourceFromClaim(source: string): TrackSource {
  return enumValue(TrackSource, source) ?? TrackSource.UNKNOWN;
}

/** The other way round. */
export function sourceToClaim(source: TrackSource): string {
  return TrackSource[source]?.toLowerCase() ?? "unknown";
}

/** The claim word of a kind detail. */
export function kindDetailToClaim(detail: ParticipantInfo_KindDetail): string {
  return ParticipantInfo_KindDetail[detail]?.toLowerCase() ?? "";
}

function enumValue(type: Record<string, string | number>, word: string): number | undefined {
  const name = word.toUpperCase();
  const value = /^[A-Z]/.test(name) && Object.hasOwn(type, name) ? type[name] : undefined;
  return typeof value === "number" ? value : undefined;
}

function isNumber(value: number | undefined): value is number {
  return value !== undefined;
}
