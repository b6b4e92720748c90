/** `a=fmtp` parameters ("key=value;flag") as a map with lower-case keys; a parameter without a value maps to "". */

/** Reads what the text has; a repeated key keeps its last value. */
export function parseFmtp(fmtp: string): Map<string, string> {
  const parameters = new Map<string, string>();
  for (const part of fmtp.split(";")) {
    const equals = part.indexOf("=");
    const key = (equals < 0 ? part : part.slice(0, equals)).trim().toLowerCase();
    if (key !== "") parameters.set(key, equals < 0 ? "" : part.slice(equals + 1).trim());
  }
  return parameters;
}

/** The inverse, in the order of the map. */
export function writeFmtp(parameters: ReadonlyMap<string, string>): string {
  return [...parameters].map(([key, value]) => (value === "" ? key : `${key}=${value}`)).join(";");
}
