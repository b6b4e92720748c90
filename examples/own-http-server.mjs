// A page, an API and LiveKit on one port: the media server runs inside this program, on its HTTP server.
//
//   node examples/own-http-server.mjs        then open http://localhost:8080
//
// PORT chooses another port, MEDIA_PORT another UDP (and TCP) port for media.
import { createServer as createHttpServer } from "node:http";
import { createServer, createToken } from "@stoa/server";

const port = Number(process.env.PORT ?? 8080);
const mediaPort = Number(process.env.MEDIA_PORT ?? 7882);
const pair = { key: "example", secret: "a secret that only this program knows" };

// Everything that this program serves itself. LiveKit's paths (/rtc, /twirp, /agent) never come here.
const httpServer = createHttpServer({ maxHeaderSize: 1 << 20 }, (request, response) => {
  const url = new URL(request.url ?? "/", "http://localhost");
  if (url.pathname === "/token") {
    giveToken(url.searchParams.get("identity") ?? "guest", response).catch(() => response.destroy());
  } else if (url.pathname === "/") {
    response.setHeader("content-type", "text/html").end(PAGE);
  } else {
    response.writeHead(404).end("there is no such page\n");
  }
});

// Your program knows who its users are; here anybody is who he says he is.
async function giveToken(identity, response) {
  const token = await createToken(pair, { identity, video: { roomJoin: true, room: "lobby" } }, Date.now());
  response.setHeader("content-type", "application/json").end(JSON.stringify({ token }));
}

const PAGE = `<!doctype html><title>On one port</title>
<p>Connect any LiveKit client to <code>ws://localhost:${port}</code> with a token from <a href="/token?identity=me">/token</a>.`;

const stoa = createServer({
  httpServer,
  config: {
    keys: { [pair.key]: pair.secret },
    rtc: { udp_port: mediaPort, tcp_port: mediaPort, enable_loopback_candidate: true },
  },
});
await stoa.start();
httpServer.listen(port, () => console.log(`listening on http://localhost:${port}`));

process.on("SIGTERM", () => {
  // everybody is told to leave; the HTTP server is this program's to close
  void stoa.close().finally(() => httpServer.close());
});
