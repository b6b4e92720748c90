/** The path of a request target, with the double slash removed that a URL with a trailing slash makes of `/rtc`. */

/** Path and query of a request target such as `//rtc/v1?access_token=…` or `http://host/rtc`. */
export function splitTarget(target: string): { path: string; query: string } {
  const rest = target.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?]*/i, "");
  const mark = rest.indexOf("?");
  const path = mark < 0 ? rest : rest.slice(0, mark);
  const query = mark < 0 ? "" : rest.slice(mark + 1).replace(/#.*$/s, "");
  const plain = path.replace(/#.*$/s, "");
  return { path: (plain.startsWith("//") ? plain.slice(1) : plain) || "/", query };
}
