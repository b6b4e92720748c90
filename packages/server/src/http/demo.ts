/**
 * The demo page: files of one folder under `/demo/`. Nothing outside the folder, no hidden file and no symbolic link out of
 * it is ever served. Files are checked with the browser each time (`no-cache` with an entity tag): they are few and change.
 */
import { createReadStream } from "node:fs";
import { realpath, stat } from "node:fs/promises";
import { extname, join, sep } from "node:path";
import { Readable } from "node:stream";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json",
  ".map": "application/json",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".jpg": "image/jpeg",
  ".jpeg": "image/jpeg",
  ".webp": "image/webp",
  ".ico": "image/x-icon",
  ".txt": "text/plain; charset=utf-8",
  ".md": "text/plain; charset=utf-8",
  ".wasm": "application/wasm",
  ".woff2": "font/woff2",
  ".mp3": "audio/mpeg",
  ".ogg": "audio/ogg",
  ".webm": "video/webm",
  ".mp4": "video/mp4",
};

/** Answers a GET or HEAD of `path` (which begins with `/demo`), or undefined when there is no such file. */
export async function serveDemo(
  root: string,
  path: string,
  query: string,
  request: Request,
): Promise<Response | undefined> {
  if (path === "/demo") {
    // the page's own links are relative to the folder
    return new Response(null, { status: 308, headers: { location: query === "" ? "/demo/" : `/demo/?${query}` } });
  }
  const file = await locate(root, path.slice("/demo/".length));
  if (!file) return undefined;
  const etag = `"${file.size.toString(16)}-${Math.floor(file.mtimeMs).toString(16)}"`;
  const headers = {
    "cache-control": "no-cache",
    etag,
    "x-content-type-options": "nosniff",
    "content-type": TYPES[extname(file.path).toLowerCase()] ?? "application/octet-stream",
  };
  if (matches(request.headers.get("if-none-match"), etag)) return new Response(null, { status: 304, headers });
  const length = { ...headers, "content-length": String(file.size) };
  if (request.method === "HEAD") return new Response(null, { headers: length });
  const stream = Readable.toWeb(createReadStream(file.path)) as ReadableStream;
  return new Response(stream, { headers: length });
}

interface Found {
  readonly path: string;
  readonly size: number;
  readonly mtimeMs: number;
}

async function locate(root: string, encoded: string): Promise<Found | undefined> {
  let name: string;
  try {
    name = decodeURIComponent(encoded);
  } catch {
    return undefined;
  }
  if (name === "" || name.endsWith("/")) name += "index.html";
  const steps = name.split("/");
  // no `..`, no hidden file, no Windows path, no end of string for the system
  if (steps.some((step) => step === "" || step.startsWith(".") || /[\\\0:]/.test(step))) return undefined;
  try {
    const base = await realpath(root);
    const path = await realpath(join(base, ...steps));
    if (!path.startsWith(base + sep)) return undefined;
    const { size, mtimeMs, isFile } = await stat(path).then((s) => ({
      size: s.size,
      mtimeMs: s.mtimeMs,
      isFile: s.isFile(),
    }));
    return isFile ? { path, size, mtimeMs } : undefined;
  } catch {
    return undefined;
  }
}

function matches(header: string | null, etag: string): boolean {
  return (header ?? "").split(",").some((tag) => tag.trim().replace(/^W\//, "") === etag);
}
