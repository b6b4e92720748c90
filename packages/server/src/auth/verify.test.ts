import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ParticipantInfo_Kind, TrackSource } from "@livekit/protocol";
import { handmadeToken, joinClaims, KEY, KEYS, SECRET } from "../fixtures.test.ts";
import { createToken, dispatchAgent, refreshToken } from "./create.ts";
import { resolveGrants, videoGrantOf } from "./grants.ts";
import { authenticate, isRefused, verifyToken, type VerifiedToken } from "./verify.ts";

const NOW = 1_800_000_000_000;
const S = NOW / 1000;

async function check(token: string): Promise<string> {
  const result = await verifyToken(KEYS, token, NOW);
  return isRefused(result) ? result.refused : `ok ${result.grants.identity}`;
}

async function verified(token: string): Promise<VerifiedToken> {
  const result = await verifyToken(KEYS, token, NOW);
  assert.ok(!isRefused(result), JSON.stringify(result));
  return result;
}

describe("which tokens are accepted, with the texts of livekit-server 1.13.11", () => {
  const claims = joinClaims(NOW);
  const bad = "invalid authorization token";
  const table: readonly (readonly [string, string, string | RegExp])[] = [
    ["good", handmadeToken(claims), "ok ada"],
    ["a key id is not looked at", handmadeToken(claims, { header: { kid: "other" } }), "ok ada"],
    ["jti instead of sub", handmadeToken({ ...claims, sub: undefined, jti: "bob" }), "ok bob"],
    ["jti beside an empty sub", handmadeToken({ ...claims, sub: "", jti: "bob" }), "ok bob"],
    ["no identity", handmadeToken({ ...claims, sub: "" }), "ok "],
    ["expired 59 s ago", handmadeToken({ ...claims, exp: S - 59 }), "ok ada"],
    [
      "expired 61 s ago",
      handmadeToken({ ...claims, exp: S - 61 }),
      `${bad}: token has invalid claims: token is expired`,
    ],
    ["valid in 59 s", handmadeToken({ ...claims, nbf: S + 59 }), "ok ada"],
    [
      "valid in 61 s",
      handmadeToken({ ...claims, nbf: S + 61 }),
      `${bad}: token has invalid claims: token is not valid yet`,
    ],
    ["no nbf", handmadeToken({ ...claims, nbf: undefined }), "ok ada"],
    [
      "no exp",
      handmadeToken({ ...claims, exp: undefined }),
      `${bad}: token has invalid claims: token is missing required claim: exp claim is required`,
    ],
    ["a fraction in exp", handmadeToken({ ...claims, exp: S + 0.5 }), "ok ada"],
    [
      "wrong secret",
      handmadeToken(claims, { secret: "x".repeat(40) }),
      `${bad}: token signature is invalid: signature is invalid`,
    ],
    ["cut signature", handmadeToken(claims).slice(0, -8), `${bad}: token signature is invalid: signature is invalid`],
    [
      "alg none",
      handmadeToken(claims, { alg: "none" }),
      `${bad}: token signature is invalid: signing method none is invalid`,
    ],
    [
      "alg none, signed",
      `${handmadeToken(claims, { alg: "none" })}AAAA`,
      `${bad}: token signature is invalid: signing method none is invalid`,
    ],
    [
      "HS512",
      handmadeToken(claims, { alg: "HS512", hash: "sha512" }),
      `${bad}: token signature is invalid: signing method HS512 is invalid`,
    ],
    ["unknown key", handmadeToken({ ...claims, iss: "APInobody" }), "invalid API key"],
    ["no issuer", handmadeToken({ ...claims, iss: undefined }), "invalid API key"],
    ["nonsense", "abc.def.ghi", bad],
    ["two parts", "abc.def", bad],
    ["no dots", "xx", bad],
    ["sub is a number", handmadeToken({ ...claims, sub: 5 }), bad],
    ["exp is text", handmadeToken({ ...claims, exp: "soon" }), bad],
    [
      "video is text",
      handmadeToken({ ...claims, video: "yes" }),
      /^invalid authorization token: token is malformed: .*video/,
    ],
    ["name is a number", handmadeToken({ ...claims, name: 5 }), /token is malformed: .*name/],
    [
      "roomConfig is wrong",
      handmadeToken({ ...claims, roomConfig: { emptyTimeout: "x" } }),
      /token is malformed: .*roomConfig/,
    ],
    ["roomConfig has unknown fields", handmadeToken({ ...claims, roomConfig: { later: 1 } }), "ok ada"],
    ["null claims", handmadeToken({ ...claims, name: null, attributes: null, roomConfig: null }), "ok ada"],
    ["unknown claims", handmadeToken({ ...claims, hobby: ["chess"] }), "ok ada"],
  ];
  for (const [name, token, expected] of table) {
    test(name, async () => {
      const result = await check(token);
      if (typeof expected === "string") assert.equal(result, expected);
      else assert.match(result, expected);
    });
  }
});

describe("where the token stands", () => {
  const token = handmadeToken(joinClaims(NOW));
  const ask = async (header: string | undefined, parameter: string | null) => {
    const result = await authenticate(KEYS, header, parameter, NOW);
    return isRefused(result) ? result.refused : result?.grants.identity;
  };

  test("the header wins over the parameter", async () => {
    const other = handmadeToken(joinClaims(NOW, { sub: "bob" }));
    assert.equal(await ask(`Bearer ${token}`, other), "ada");
    assert.equal(await ask(undefined, other), "bob");
  });

  test("no token is no error, a header of another kind is", async () => {
    assert.equal(await ask(undefined, null), undefined);
    assert.equal(await ask("", ""), undefined);
    assert.equal(await ask(token, null), "invalid authorization header. Must start with Bearer ");
    assert.equal(await ask(`bearer ${token}`, null), "invalid authorization header. Must start with Bearer ");
  });
});

describe("what a token says", () => {
  test("every claim", async () => {
    const { grants, apiKey, expiresAtMs } = await verified(
      handmadeToken(
        joinClaims(NOW, {
          name: "Ada",
          kind: "agent",
          kindDetails: ["cloud_agent", "unheard_of"],
          metadata: "m",
          attributes: { a: "1" },
          sha256: "h",
          roomPreset: "p",
          roomConfig: { emptyTimeout: 5, agents: [{ agentName: "x" }] },
          sip: { admin: true },
          agent: { admin: true },
          inference: { perform: true },
        }),
      ),
    );
    assert.deepEqual(
      [apiKey, expiresAtMs, grants.name, grants.kind, grants.kindDetails.length, grants.metadata, grants.attributes],
      [KEY, NOW + 600_000, "Ada", ParticipantInfo_Kind.AGENT, 1, "m", { a: "1" }],
    );
    assert.deepEqual(
      [grants.sha256, grants.roomPreset, grants.sip, grants.agent?.admin],
      ["h", "p", { admin: true }, true],
    );
    assert.equal(grants.roomConfig?.agents[0]?.agentName, "x");
    assert.equal(grants.roomConfig?.emptyTimeout, 5);
  });

  test("an unknown kind is a standard participant", async () => {
    const { grants } = await verified(handmadeToken(joinClaims(NOW, { kind: "robot" })));
    assert.equal(grants.kind, ParticipantInfo_Kind.STANDARD);
  });

  test("unset grants stand for their defaults", () => {
    const open = resolveGrants({});
    assert.deepEqual(
      [open.canSubscribe, open.canPublish, open.canPublishData, open.canUpdateOwnMetadata],
      [true, true, true, false],
    );
    assert.equal(resolveGrants({ canPublish: false }).canPublishData, false);
    assert.equal(resolveGrants({ canPublish: false, canPublishData: true }).canPublishData, true);
    const sources = resolveGrants({ canPublishSources: ["camera", "screen_share_audio", "laser"] }).canPublishSources;
    assert.deepEqual(sources, [TrackSource.CAMERA, TrackSource.SCREEN_SHARE_AUDIO, TrackSource.UNKNOWN]);
  });
});

describe("tokens of our own", () => {
  const pair = { key: KEY, secret: SECRET };

  test("are accepted and say what was asked", async () => {
    const token = await createToken(
      pair,
      {
        identity: "ada",
        name: "Ada",
        attributes: { a: "1" },
        video: { roomJoin: true, room: "r", canPublish: false },
        roomConfig: dispatchAgent("helper", "", "{}"),
        validForMs: 60_000,
      },
      NOW,
    );
    const { grants, expiresAtMs } = await verified(token);
    assert.deepEqual(
      [grants.identity, grants.name, grants.attributes, expiresAtMs],
      ["ada", "Ada", { a: "1" }, NOW + 60_000],
    );
    assert.deepEqual([grants.video?.canPublish, grants.video?.canSubscribe], [false, undefined]);
    assert.equal(grants.roomConfig?.agents[0]?.agentName, "helper");
  });

  test("a refreshed one lives ten minutes, or as long as the first", async () => {
    const life = async (originalMs: number) => {
      const token = await refreshToken(pair, { identity: "ada" }, NOW + originalMs, NOW);
      return (await verified(token)).expiresAtMs - NOW;
    };
    assert.equal(await life(5000), 600_000);
    assert.equal(await life(-5000), 600_000);
    assert.equal(await life(3_600_000), 3_600_000);
  });

  test("a refreshed grant has today's permissions over what the first one said", () => {
    const first = { roomJoin: true, room: "r", roomAdmin: true, hidden: true, canPublishSources: ["camera"] };
    const now = { ...resolveGrants(first), canPublish: false, hidden: false, canPublishSources: [] };
    const grant = videoGrantOf(first, now);
    assert.deepEqual(
      [grant.roomAdmin, grant.room, grant.canPublish, grant.hidden, grant.canPublishSources],
      [true, "r", false, undefined, undefined],
    );
  });
});
