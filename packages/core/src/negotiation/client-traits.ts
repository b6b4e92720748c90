/** What is known of clients: quirks in SDP, and codecs that a client must not use (LiveKit's static client configurations). */
import type { ClientTraits, EnabledCodec, EnabledCodecs } from "./types.ts";

/** The fields of ClientInfo that matter here, in any case. */
export interface ClientDescription {
  readonly browser: string;
  readonly browserVersion: string;
  readonly os: string;
  readonly deviceModel: string;
}

interface Facts {
  readonly firefox: boolean;
  readonly safari: boolean;
  readonly linuxOrAndroid: boolean;
}

function factsOf(client: ClientDescription): Facts {
  const browser = client.browser.toLowerCase();
  const os = client.os.toLowerCase();
  return {
    firefox: browser === "firefox" || browser === "firefox mobile",
    safari: browser === "safari",
    linuxOrAndroid: os === "linux" || os === "android",
  };
}

/** Quirks of a client in SDP. */
export function clientTraits(client: ClientDescription): ClientTraits {
  const { firefox, safari, linuxOrAndroid } = factsOf(client);
  return {
    obeysCodecOrder: !(firefox && linuxOrAndroid),
    receivesRed: !firefox && !safari,
    reusesTransceivers: !safari,
  };
}

/** The configured codecs less those that do not work with this client. */
export function enabledCodecsFor(client: ClientDescription, configured: readonly EnabledCodec[]): EnabledCodecs {
  const { firefox, safari, linuxOrAndroid } = factsOf(client);
  const never: string[] = [];
  const notPublished: string[] = [];
  const notSubscribed: string[] = [];
  if (safari) never.push("video/av1");
  if (safari && isNewer(client.browserVersion, "18.3")) notPublished.push("video/vp9");
  const xiaomi = client.deviceModel.toLowerCase() === "xiaomi 2201117ti" && client.os.toLowerCase() === "android";
  if (xiaomi || (firefox && linuxOrAndroid)) notPublished.push("video/h264");
  if (firefox || safari) notSubscribed.push("audio/red");
  const without = (excluded: readonly string[]): EnabledCodec[] =>
    configured.filter((codec) => !excluded.includes(codec.mime.toLowerCase()));
  return { publish: without([...never, ...notPublished]), subscribe: without([...never, ...notSubscribed]) };
}

/** Dotted numbers; what is not a number counts as 0. */
function isNewer(version: string, than: string): boolean {
  const a = version.split(".");
  const b = than.split(".");
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const difference = (Number.parseInt(a[i] ?? "0", 10) || 0) - (Number.parseInt(b[i] ?? "0", 10) || 0);
    if (difference !== 0) return difference > 0;
  }
  return false;
}
