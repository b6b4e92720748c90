/** Who the client is: the query parameters of `/rtc` (livekit.md 1.2), its address, and what its User-Agent adds. */
import { ClientInfo, ClientInfo_Capability, ClientInfo_SDK } from "@livekit/protocol";

/** Names of `sdk=` that are not simply the enum's in lower case. */
const SDK_BY_NAME: Readonly<Record<string, ClientInfo_SDK>> = {
  js: ClientInfo_SDK.JS,
  ios: ClientInfo_SDK.SWIFT,
  swift: ClientInfo_SDK.SWIFT,
  android: ClientInfo_SDK.ANDROID,
  flutter: ClientInfo_SDK.FLUTTER,
  go: ClientInfo_SDK.GO,
  unity: ClientInfo_SDK.UNITY,
  reactnative: ClientInfo_SDK.REACT_NATIVE,
  rust: ClientInfo_SDK.RUST,
  python: ClientInfo_SDK.PYTHON,
  cpp: ClientInfo_SDK.CPP,
  unityweb: ClientInfo_SDK.UNITY_WEB,
  node: ClientInfo_SDK.NODE,
  unreal: ClientInfo_SDK.UNREAL,
  esp32: ClientInfo_SDK.ESP32,
  dotnet: ClientInfo_SDK.DOTNET,
};

/** Those that may run in a browser: only there the User-Agent says something. */
const BROWSER_SDKS: ReadonlySet<ClientInfo_SDK> = new Set([
  ClientInfo_SDK.JS,
  ClientInfo_SDK.REACT_NATIVE,
  ClientInfo_SDK.FLUTTER,
  ClientInfo_SDK.UNITY,
  ClientInfo_SDK.UNKNOWN,
]);

/** The parts of a request that say where it comes from. */
export interface RequestOrigin {
  /** Header by lower-case name. */
  readonly header: (name: string) => string | undefined;
  /** Address of the socket. */
  readonly remoteAddress: string;
}

/** ClientInfo from the query parameters of a v0 connection. */
export function clientInfoFromQuery(query: URLSearchParams, origin: RequestOrigin): ClientInfo {
  const text = (name: string) => query.get(name) ?? "";
  const info = new ClientInfo({
    sdk: SDK_BY_NAME[text("sdk")] ?? ClientInfo_SDK.UNKNOWN,
    version: text("version"),
    protocol: wholeNumber(text("protocol")),
    clientProtocol: wholeNumber(text("client_protocol")),
    os: text("os"),
    osVersion: text("os_version"),
    deviceModel: text("device_model"),
    browser: text("browser"),
    browserVersion: text("browser_version"),
    network: text("network"),
    capabilities: text("capabilities").split(",").map(capability).filter(isKnown),
  });
  return augmentClientInfo(info, origin);
}

/** Sets the address, and what the client left out as far as its User-Agent tells; changes `info`. */
export function augmentClientInfo(info: ClientInfo, origin: RequestOrigin): ClientInfo {
  info.address = clientAddress(origin);
  if (!BROWSER_SDKS.has(info.sdk)) return info;
  const agent = parseUserAgent(origin.header("user-agent") ?? "");
  if (info.browser === "") [info.browser, info.browserVersion] = agent.browser;
  if (info.os === "") [info.os, info.osVersion] = agent.os;
  if (info.deviceModel === "") info.deviceModel = agent.device;
  return info;
}

/** The address that the nearest trusted-by-convention proxy header names, or the socket's. */
export function clientAddress({ header, remoteAddress }: RequestOrigin): string {
  const forwarded = header("x-forwarded-for")?.split(",", 1)[0]?.trim();
  const address = header("cf-connecting-ip")?.trim() || forwarded || header("x-real-ip")?.trim() || remoteAddress;
  return address.replace(/^::ffff:(?=\d+\.)/, "");
}

type NameAndVersion = [name: string, version: string];

interface UserAgent {
  readonly browser: NameAndVersion;
  readonly os: NameAndVersion;
  readonly device: string;
}

/** Order matters: most browsers also claim to be the ones below them. */
const BROWSERS: readonly (readonly [RegExp, string])[] = [
  [/OBS\/([\d.]+)/, "OBS Studio"],
  [/OBS-Studio\/([\d.]+)/, "OBS Studio"],
  [/(?:Edg|EdgA|EdgiOS)\/([\d.]+)/, "Edge"],
  [/(?:OPR|Opera)\/([\d.]+)/, "Opera"],
  [/FxiOS\/([\d.]+)/, "Firefox iOS"],
  [/CriOS\/([\d.]+)/, "Chrome Mobile iOS"],
  [/Mobile.*Firefox\/([\d.]+)/, "Firefox Mobile"],
  [/Firefox\/([\d.]+)/, "Firefox"],
  [/HeadlessChrome\/([\d.]+)/, "HeadlessChrome"],
  [/Chrome\/([\d.]+) Mobile/, "Chrome Mobile"],
  [/Chrome\/([\d.]+)/, "Chrome"],
  [/Version\/([\d.]+) Mobile.*Safari/, "Mobile Safari"],
  [/Version\/([\d.]+).*Safari/, "Safari"],
];

const SYSTEMS: readonly (readonly [RegExp, string])[] = [
  [/Android ([\d.]+)/, "Android"],
  [/(?:iPhone OS|iPad; CPU OS|CPU OS) ([\d_]+)/, "iOS"],
  [/Mac OS X ([\d_.]+)/, "Mac OS X"],
  [/Windows NT ([\d.]+)/, "Windows"],
  [/CrOS \S+ ([\d.]+)/, "Chrome OS"],
  [/(Ubuntu)/, "Ubuntu"],
  [/(Linux)/, "Linux"],
];

/** Browser, system and device of a User-Agent header, as far as the rules of the room need them. */
export function parseUserAgent(agent: string): UserAgent {
  const device = /\((iPhone|iPad);/.exec(agent)?.[1] ?? /Android [\d.]+; ([^;)]+?)(?: Build|\))/.exec(agent)?.[1];
  return {
    browser: firstMatch(BROWSERS, agent),
    os: firstMatch(SYSTEMS, agent),
    device: device ?? (agent.includes("Macintosh") ? "Mac" : ""),
  };
}

function firstMatch(rules: readonly (readonly [RegExp, string])[], agent: string): NameAndVersion {
  for (const [pattern, name] of rules) {
    const match = pattern.exec(agent);
    if (match) return [name, /^\d/.test(match[1]!) ? match[1]!.replaceAll("_", ".") : ""];
  }
  return ["", ""];
}

function wholeNumber(text: string): number {
  return /^[-+]?\d{1,9}$/.test(text) ? Number(text) : 0;
}

function capability(name: string): ClientInfo_Capability | undefined {
  const value = (ClientInfo_Capability as Record<string, unknown>)[name.trim()];
  return name.trim().startsWith("CAP_") && typeof value === "number" ? value : undefined;
}

function isKnown(value: ClientInfo_Capability | undefined): value is ClientInfo_Capability {
  return value !== undefined;
}
