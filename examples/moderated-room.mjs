// A server with a doorman: who may join is decided here, newcomers listen until they are let to speak, and what happens is told.
//
//   node examples/moderated-room.mjs
//
// PORT chooses another port, MEDIA_PORT another UDP (and TCP) port for media.
import { createServer, createToken } from "@stoa/server";

const port = Number(process.env.PORT ?? 7880);
const mediaPort = Number(process.env.MEDIA_PORT ?? 7882);
const pair = { key: "example", secret: "a secret that only this program knows" };

const banned = new Set(["mallory"]);
const speakers = new Set(["ada"]);

const stoa = createServer({
  config: {
    port,
    bind_addresses: ["127.0.0.1"],
    keys: { [pair.key]: pair.secret },
    rtc: { udp_port: mediaPort, tcp_port: mediaPort, enable_loopback_candidate: true },
    logging: { level: "warn" },
  },
  hooks: {
    // May ask a database: a join waits for the answer, for a second at most.
    deadlineMs: 1000,
    async beforeJoin({ identity, attributes }) {
      if (banned.has(identity)) return { allow: false, reason: `${identity} is not welcome here` };
      const speaks = speakers.has(identity);
      return {
        allow: true,
        attributes: { ...attributes, role: speaks ? "speaker" : "listener" },
        grants: { canPublish: speaks },
      };
    },
    on: {
      participantJoined: ({ room, participant }) => console.log(`${participant.identity} is in ${room}`),
      participantLeft: ({ participant, detail }) => console.log(`${participant.identity} left: ${detail}`),
      trackPublished: ({ participant, track }) => console.log(`${participant.identity} publishes ${track.mimeType}`),
      data: ({ identity, topic, payload }) => {
        if (payload) console.log(`${identity} says [${topic}] ${new TextDecoder().decode(payload)}`);
      },
    },
  },
});
await stoa.start();
console.log(`listening on ws://127.0.0.1:${port}`);
for (const identity of ["ada", "bob", "mallory"]) {
  const token = await createToken(pair, { identity, video: { roomJoin: true, room: "stage" } }, Date.now());
  console.log(`token of ${identity}: ${token}`);
}

process.on("SIGTERM", () => {
  stoa.close().catch(console.error);
});
