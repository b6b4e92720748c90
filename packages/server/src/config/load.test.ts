import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ConfigFiles } from "./keys.ts";
import { loadConfig, type LoadInput } from "./load.ts";
import { transportPolicy } from "./transport-policy.ts";

const KEYS = "k: 0123456789abcdef0123456789abcdef";

function load(yaml: string, input: LoadInput = {}) {
  return loadConfig({ ...input, flags: { "config-body": yaml, keys: KEYS, ...input.flags } });
}

function mistake(input: LoadInput): string {
  try {
    loadConfig(input);
  } catch (error) {
    return (error as Error).message;
  }
  return "(no mistake)";
}

const files = (content: Record<string, string>, mode = 0o600): ConfigFiles => ({
  read: (path) => {
    if (content[path] === undefined) throw Object.assign(new Error("no such file"), { code: "ENOENT" });
    return content[path];
  },
  mode: () => mode,
});

describe("a mistake is one sentence with its place", () => {
  const body = (yaml: string, expected: string) => [yaml, { "config-body": yaml }, {}, expected] as const;
  const table = [
    body("port: abc", '--config-body, line 1: "port" must be a whole number from 0 to 65535, not "abc".'),
    body("port: 70000", '--config-body, line 1: "port" must be a whole number from 0 to 65535, not "70000".'),
    body('port: "7880"', '--config-body, line 1: "port" must be a whole number from 0 to 65535, not the text "7880".'),
    body("prt: 7880", '--config-body, line 1: unknown key "prt"; did you mean "port"?'),
    body("rtc:\n\n  upd_port: 1", '--config-body, line 3: unknown key "rtc.upd_port"; did you mean "rtc.udp_port"?'),
    body("rtc:\n  tcpPort: 1", '--config-body, line 2: unknown key "rtc.tcpPort"; did you mean "rtc.tcp_port"?'),
    body("udp_port: 7882", '--config-body, line 1: unknown key "udp_port"; did you mean "rtc.udp_port"?'),
    body("rtc: 5", '--config-body, line 1: "rtc" must be a section of `key: value` lines, not a single value.'),
    body("rtc: [a]", '--config-body, line 1: "rtc" must be a section of `key: value` lines, not a list.'),
    body(
      "keys: topsecret",
      '--config-body, line 1: "keys" must be a section of `key: value` lines, not a single value.',
    ),
    body(
      "bind_addresses: 127.0.0.1",
      '--config-body, line 1: "bind_addresses" must be a list such as [a, b], not a single value.',
    ),
    body(
      "room:\n  auto_create: maybe",
      '--config-body, line 2: "room.auto_create" must be true or false, not "maybe".',
    ),
    body(
      "rtc:\n  udp_port: 7892-7882",
      '--config-body, line 2: "rtc.udp_port" must be a port such as 7882 or a range such as "7882-7892", not "7892-7882".',
    ),
    body(
      "room:\n  enabled_codecs:\n    - mime: audio/opus\n      fmtp: x",
      '--config-body, line 4: unknown key "room.enabled_codecs[0].fmtp"; known here are mime, fmtp_line.',
    ),
    body(
      "video: { dynacast_pause_delay: 5 }",
      '--config-body, line 1: "video.dynacast_pause_delay" must be a duration with a unit, such as "500ms" or "5s", not "5".',
    ),
    body(
      "logging: { level: chatty }",
      '--config-body, line 1: "logging.level" must be one of debug, info, warn, error, not "chatty".',
    ),
    body("rtc:\n  turn_servers:\n    - port: 3478", '--config-body, line 3: "rtc.turn_servers[0].host" is missing.'),
    body(
      "rtc:\n  turn_servers:\n    - {host: turn.example, port: 3478}",
      '--config-body, line 2: "rtc.turn_servers" number 1 (turn.example) needs secret or secret_file, or username and credential.',
    ),
    body(
      "rtc:\n  node_ip: 1.2.3",
      '--config-body, line 2: "rtc.node_ip" must be an IP address, or an IPv4 and an IPv6 one with a comma, not "1.2.3".',
    ),
    body(
      "rtc: { port_range_start: 60, port_range_end: 50 }",
      '--config-body, line 1: "rtc.port_range_end" must not be below rtc.port_range_start (60).',
    ),
    body(
      "rtc: { ips: { includes: [lan] } }",
      '--config-body, line 1: "rtc.ips.includes" must be ranges such as 10.0.0.0/8, not "lan".',
    ),
    body("port: 1\nport: 2", "--config-body, line 2: Map keys must be unique."),
    body("port: 7880\n\trtc: {}", "--config-body, line 2: Tabs are not allowed as indentation."),
    body("- port: 7880", "--config-body, line 1: the configuration must be a list of `key: value` lines."),
    [
      "flag",
      { "rtc.tcp_port": "x" },
      {},
      '--rtc.tcp_port: "rtc.tcp_port" must be a whole number from 0 to 65535, not "x".',
    ],
    [
      "flag",
      { "udp-port": "a-b" },
      {},
      '--udp-port: "rtc.udp_port" must be a port such as 7882 or a range such as "7882-7892", not "a-b".',
    ],
    [
      "env",
      {},
      { LIVEKIT_ROOM_MAX_PARTICIPANTS: "-1" },
      'LIVEKIT_ROOM_MAX_PARTICIPANTS: "room.max_participants" must be a whole number of 0 or more, not "-1".',
    ],
    ["env", {}, { LIVEKIT_CONFIG: "prt: 1" }, 'LIVEKIT_CONFIG, line 1: unknown key "prt"; did you mean "port"?'],
    [
      "env",
      {},
      { LIVEKIT_KEYS: "a:b" },
      'LIVEKIT_KEYS: keys must be exactly "key: secret", one a line, with a space after the colon.',
    ],
  ] as const;
  for (const [name, flags, env, expected] of table) {
    test(`${name.replaceAll("\n", "\\n")}${name === "env" || name === "flag" ? `: ${expected.slice(0, 30)}` : ""}`, () => {
      assert.equal(mistake({ flags, env }), expected);
    });
  }

  test("of several, the first in the file", () => {
    assert.match(
      mistake({ flags: { "config-body": "rtc:\n  tcp_port: 1\nroom:\n  x: 1\nlimit: 5\nport: a" } }),
      /line 4/,
    );
  });

  test("files that cannot be read", () => {
    assert.equal(
      mistake({ flags: { config: "/none.yaml" }, files: files({}) }),
      "/none.yaml: the configuration file does not exist.",
    );
    assert.match(
      mistake({ flags: { config: "a.yaml" }, files: files({ "a.yaml": "port: x" }) }),
      /^a\.yaml, line 1: "port"/,
    );
  });
});

describe("where values come from", () => {
  test("LiveKit's defaults", () => {
    const { config, warnings } = load("");
    assert.deepEqual(
      [
        config.port,
        config.rtc.tcp_port,
        config.room.empty_timeout,
        config.room.departure_timeout,
        config.room.auto_create,
      ],
      [7880, 7881, 300, 20, true],
    );
    assert.equal(config.limit.signal_message_size_limit, 2 << 20);
    assert.deepEqual(config.room.enabled_codecs.map(({ mime }) => mime).slice(3, 6), [
      "audio/red",
      "video/VP8",
      "video/H264",
    ]);
    assert.deepEqual(warnings, []);
  });

  test("flag over variable over file over default", () => {
    const yaml = "port: 1001\nrtc:\n  tcp_port: 1001\nlimit:\n  max_metadata_size: 1001";
    const env = { LIVEKIT_RTC_TCP_PORT: "1002", LIVEKIT_LIMIT_MAX_METADATA_SIZE: "1002" };
    const { config } = load(yaml, { env, flags: { "limit.max_metadata_size": "1003" } });
    assert.deepEqual([config.port, config.rtc.tcp_port, config.limit.max_metadata_size], [1001, 1002, 1003]);
  });

  test("the named flags and their variables", () => {
    const env = { NODE_IP: "192.0.2.1", UDP_PORT: "7000-7003", LIVEKIT_REGION: "eu", REDIS_HOST: "r:6379" };
    const { config } = load("", { env, flags: { bind: ["127.0.0.1", "::1"], "turn-cert": "c.pem" } });
    assert.equal(config.rtc.node_ip, "192.0.2.1");
    assert.deepEqual(config.rtc.udp_port, { first: 7000, last: 7003 });
    assert.deepEqual([config.region, config.redis.address, config.turn.cert_file], ["eu", "r:6379", "c.pem"]);
    assert.deepEqual(config.bind_addresses, ["127.0.0.1", "::1"]);
  });

  test("a configuration on the command line beats one in the environment", () => {
    const env = { LIVEKIT_CONFIG: "port: 1", LIVEKIT_CONFIG_FILE: "b.yaml" };
    const disk = files({ "a.yaml": "port: 2", "b.yaml": "port: 3" });
    const port = (input: LoadInput) =>
      loadConfig({ files: disk, ...input, flags: { keys: KEYS, ...input.flags } }).config.port;
    assert.equal(port({ env }), 1);
    assert.equal(port({ env, flags: { config: "a.yaml" } }), 2);
    assert.equal(port({ env, flags: { config: "a.yaml", "config-body": "port: 4" } }), 4);
    assert.equal(port({ env: { LIVEKIT_CONFIG_FILE: "b.yaml" } }), 3);
  });

  test("Kubernetes' LIVEKIT_PORT of a service is not a port", () => {
    assert.equal(load("", { env: { LIVEKIT_PORT: "tcp://10.0.0.1:7880" } }).config.port, 7880);
  });

  test("JSON, anchors, merge keys, comments and empty values are YAML too", () => {
    assert.equal(load('{"port": 81, "rtc": {"tcp_port": 82}}').config.rtc.tcp_port, 82);
    assert.equal(load("limit: &a\n  max_metadata_size: 5\nrtc:\n# no value\nroom:").config.limit.max_metadata_size, 5);
    const merged = load(
      "rtc: &base\n  tcp_port: 9\nlimit: { <<: { max_attributes_size: 7 }, max_metadata_size: 8 }",
    ).config;
    assert.deepEqual([merged.limit.max_attributes_size, merged.limit.max_metadata_size], [7, 8]);
  });

  test("--disable-strict-config skips unknown keys, not wrong values", () => {
    const flags = { "disable-strict-config": true };
    assert.equal(load("prt: 1\nrtc: { x: 2, tcp_port: 5 }", { flags }).config.rtc.tcp_port, 5);
    assert.match(mistake({ flags: { ...flags, "config-body": "prt: 1\nport: x" } }), /"port" must be/);
  });

  test("old places of keys still count", () => {
    const { config } = load("log_level: warn\nroom:\n  max_metadata_size: 9\n  max_room_name_length: 8");
    assert.deepEqual(
      [config.logging.level, config.limit.max_metadata_size, config.limit.max_room_name_length],
      ["warn", 9, 8],
    );
  });
});

describe("keys of features that are not there yet", () => {
  test("are accepted and named together in one warning", () => {
    const { warnings } = load(
      "redis: { address: a }\ningress: { rtmp_base_url: b }\nrtc: { use_external_ip: true, tcp_port: 1 }",
    );
    assert.deepEqual(warnings, ["Accepted but without effect in this version: rtc.use_external_ip, redis, ingress."]);
  });

  test("are not mentioned when they are off or at their default", () => {
    const yaml =
      "turn: { enabled: false, tls_port: 5349 }\nrtc: { use_external_ip: false, packet_buffer_size_video: 500 }\nnode_selector: { kind: any }";
    assert.deepEqual(load(yaml).warnings, []);
  });
});

describe("bandwidth feedback", () => {
  const feedback = (keys: string) => {
    const { config, warnings } = load(`rtc: { congestion_control: { ${keys} } }`);
    assert.deepEqual(warnings, []);
    return transportPolicy(config.rtc).bandwidthFeedback;
  };

  test("is transport-wide, unless the file says false", () => {
    assert.equal(feedback(""), "transport-cc");
    assert.equal(feedback("use_send_side_bwe: true"), "transport-cc");
    assert.equal(feedback("use_send_side_bwe: false"), "remb");
    assert.equal(feedback("use_send_side_bwe_interceptor: false"), "transport-cc");
    assert.equal(feedback("use_send_side_bwe: false, use_send_side_bwe_interceptor: true"), "transport-cc");
  });
});

describe("API keys", () => {
  const noKeys = (input: LoadInput) => loadConfig(input);

  test("there must be one, except with --dev", () => {
    assert.match(mistake({}), /^No API keys: set "keys".*--dev\.$/);
    const { keys, config } = noKeys({ flags: { dev: true } });
    assert.deepEqual([...keys], [["devkey", "secret"]]);
    assert.deepEqual(config.bind_addresses, ["127.0.0.1", "::1"]);
    assert.equal(config.logging.level, "debug");
  });

  test("--dev with keys, an address or a level keeps them", () => {
    const { keys, config } = load("logging: { level: info }", { flags: { dev: true } });
    assert.deepEqual([...keys.keys()], ["k"]);
    assert.equal(config.bind_addresses, undefined);
    assert.equal(config.logging.level, "info");
    assert.deepEqual(noKeys({ flags: { dev: true, bind: ["192.0.2.7"] } }).config.bind_addresses, ["192.0.2.7"]);
  });

  test("a secret without quotes is the text as written", () => {
    const secret = "12345678901234567890123456789012e5";
    assert.equal(noKeys({ flags: { "config-body": `keys:\n  a: ${secret}\n  b: 0x10` } }).keys.get("a"), secret);
  });

  test("several of LIVEKIT_KEYS, in their order", () => {
    const { keys } = noKeys({ env: { LIVEKIT_KEYS: `b: ${"1".repeat(32)}\na: ${"2".repeat(32)}\n` } });
    assert.deepEqual([...keys.keys()], ["b", "a"]);
  });

  test("a key file wins, and must be private", () => {
    const content = { "/home/o/keys.yaml": `filekey: ${"x".repeat(40)}` };
    const input = { env: { HOME: "/home/o" }, flags: { keys: KEYS, "key-file": "~/keys.yaml" } };
    assert.deepEqual([...noKeys({ ...input, files: files(content) }).keys.keys()], ["filekey"]);
    assert.equal(
      mistake({ ...input, files: files(content, 0o644) }),
      "/home/o/keys.yaml: others may read this key file; run: chmod o-rwx /home/o/keys.yaml",
    );
    assert.match(mistake({ ...input, files: files({}) }), /the key file does not exist\./);
  });

  test("a short secret is a warning that does not show it", () => {
    const { warnings } = noKeys({ env: { LIVEKIT_KEYS: "mine: short" } });
    assert.match(warnings[0]!, /^The secret of API key mine is shorter than 32 characters/);
    assert.ok(!warnings[0]!.includes('short"') && !/\bshort\b/.test(warnings[0]!));
  });
});
