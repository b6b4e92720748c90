/**
 * UTF-8 to and from strings without the platform's TextEncoder (RFC 3629). Both directions are total: what is not
 * well-formed becomes U+FFFD, one per maximal ill-formed part, as the Encoding standard does.
 */

const REPLACEMENT = 0xfffd;
/** `String.fromCharCode` takes its characters as arguments, of which engines allow a limited number. */
const CHUNK = 4096;

/** Bytes that `encodeUtf8(text)` has. */
export function utf8Length(text: string): number {
  let bytes = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) bytes += 1;
    else if (unit < 0x800) bytes += 2;
    else if (isHighSurrogate(unit) && isLowSurrogate(text.charCodeAt(i + 1))) {
      bytes += 4;
      i++;
    } else bytes += 3;
  }
  return bytes;
}

/** The UTF-8 form of `text`; a lone surrogate is written as U+FFFD. */
export function encodeUtf8(text: string): Uint8Array {
  const out = new Uint8Array(utf8Length(text));
  let at = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) {
      out[at++] = unit;
      continue;
    }
    const code = codePoint(text, i);
    if (code > 0xffff) i++;
    at = putCodePoint(out, at, code);
  }
  return out;
}

/** The string in `length` bytes at `at`; by default all of `bytes`. A range beyond the end is cut. */
export function decodeUtf8(bytes: Uint8Array, at = 0, length: number = bytes.length - at): string {
  const end = Math.min(bytes.length, at + length);
  const units: number[] = [];
  let text = "";
  let i = Math.max(0, at);
  while (i < end) {
    const first = bytes[i]!;
    if (first < 0x80) {
      units.push(first);
      i++;
    } else {
      const size = sequenceSize(bytes, i, end);
      pushCodePoint(units, size > 0 ? decodeSequence(bytes, i, size) : REPLACEMENT);
      i += size > 0 ? size : -size;
    }
    if (units.length >= CHUNK) {
      text += String.fromCharCode(...units);
      units.length = 0;
    }
  }
  return text + String.fromCharCode(...units);
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit < 0xdc00;
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit < 0xe000;
}

function codePoint(text: string, at: number): number {
  const unit = text.charCodeAt(at);
  if (unit < 0xd800 || unit > 0xdfff) return unit;
  const next = text.charCodeAt(at + 1);
  if (!isHighSurrogate(unit) || !isLowSurrogate(next)) return REPLACEMENT;
  return 0x10000 + ((unit - 0xd800) << 10) + (next - 0xdc00);
}

function putCodePoint(out: Uint8Array, start: number, code: number): number {
  let at = start;
  if (code < 0x800) {
    out[at++] = 0xc0 | (code >> 6);
  } else {
    if (code < 0x10000) {
      out[at++] = 0xe0 | (code >> 12);
    } else {
      out[at++] = 0xf0 | (code >> 18);
      out[at++] = 0x80 | ((code >> 12) & 0x3f);
    }
    out[at++] = 0x80 | ((code >> 6) & 0x3f);
  }
  out[at++] = 0x80 | (code & 0x3f);
  return at;
}

/** Size of the well-formed sequence at `at`, or minus the size of the ill-formed part. RFC 3629 section 4. */
function sequenceSize(bytes: Uint8Array, at: number, end: number): number {
  const first = bytes[at]!;
  let size: number;
  let low = 0x80;
  let high = 0xbf;
  if (first >= 0xc2 && first <= 0xdf) size = 2;
  else if (first >= 0xe0 && first <= 0xef) {
    size = 3;
    if (first === 0xe0) low = 0xa0;
    if (first === 0xed) high = 0x9f;
  } else if (first >= 0xf0 && first <= 0xf4) {
    size = 4;
    if (first === 0xf0) low = 0x90;
    if (first === 0xf4) high = 0x8f;
  } else return -1;
  for (let i = 1; i < size; i++) {
    if (at + i >= end) return -i;
    const next = bytes[at + i]!;
    if (next < low || next > high) return -i;
    low = 0x80;
    high = 0xbf;
  }
  return size;
}

function decodeSequence(bytes: Uint8Array, at: number, size: number): number {
  let code = bytes[at]! & (0xff >> (size + 1));
  for (let i = 1; i < size; i++) code = (code << 6) | (bytes[at + i]! & 0x3f);
  return code;
}

function pushCodePoint(units: number[], code: number): void {
  if (code < 0x10000) units.push(code);
  else units.push(0xd800 + ((code - 0x10000) >> 10), 0xdc00 + ((code - 0x10000) & 0x3ff));
}
