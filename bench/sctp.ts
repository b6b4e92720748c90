/** Bytes per second through one data channel, and what they cost, at chosen delays and losses, between Stoa, Chromium and another stack. */
import { existsSync } from "node:fs";
import { fail, readArguments, readCount, readCounts } from "./lib/arguments.ts";
import { formatTable, round } from "./lib/table.ts";
import { type Player, runTransfer, type TransferSpec } from "./sctp/transfer.ts";

const HELP = `npm run bench:sctp -- [options]

Megabytes (10^6) per second through one reliable, ordered data channel over ICE, DTLS and SCTP, and CPU milliseconds (user and system,
all threads) per megabyte of sender and receiver. Each side is a process; a third one between them delays and loses datagrams.

  --pairs LIST     sender-receiver, of node (Stoa), chromium, pion; default node-node,node-chromium,chromium-node
  --delays LIST    milliseconds each way (default 0,20,100)
  --losses LIST    percent of the datagrams, each way (default 0,1,5)
  --sizes LIST     KiB of a message (default 16,64)
  --warm-up MS     after the first message, not counted (default 3000)
  --duration MS    counted (default 5000)
  --pion PROGRAM   plays "pion": a program of yours with another stack, which adds pion-pion to the default pairs
  --json           the rows as JSON, a line each, instead of a table

PROGRAM speaks JSON lines on its standard input and output:
  PROGRAM send MESSAGE_BYTES      prints {"sdp": OFFER} with one data channel and all UDP candidates on 127.0.0.1, reads
                                  {"sdp": ANSWER}, then sends such messages as fast as the channel takes them
  PROGRAM receive MESSAGE_BYTES   reads {"sdp": OFFER}, prints {"sdp": ANSWER}, then answers each {"count": true} with
                                  {"bytes": RECEIVED_SO_FAR}
It ends when its input does.`;

const PLAYERS: readonly string[] = ["node", "chromium", "pion"];

const given = readArguments(HELP, {
  pairs: "string",
  delays: "string",
  losses: "string",
  sizes: "string",
  "warm-up": "string",
  duration: "string",
  pion: "string",
  json: "boolean",
});

function readPairs(text: string): [Player, Player][] {
  return text.split(",").map((pair) => {
    const players = pair.trim().split("-");
    if (players.length !== 2 || !players.every((player) => PLAYERS.includes(player))) {
      fail(`--pairs: "${pair}" is not sender-receiver of ${PLAYERS.join(", ")}`);
    }
    if (players.includes("pion") && !given.pion) fail("--pairs names pion: --pion PROGRAM is missing");
    return players as [Player, Player];
  });
}

const pion = given.pion?.split(" ") ?? [];
if (pion[0]?.includes("/") && !existsSync(pion[0])) fail(`--pion: ${pion[0]} does not exist`);
const pairs = readPairs(given.pairs ?? `node-node,node-chromium,chromium-node${given.pion ? ",pion-pion" : ""}`);
const common = {
  warmUpMs: readCount("warm-up", given["warm-up"], 3000, 0),
  durationMs: readCount("duration", given.duration, 5000),
  pion,
};
const specs: TransferSpec[] = [];
for (const delayMs of readCounts("delays", given.delays ?? "0,20,100", 0))
  for (const lossPercent of readCounts("losses", given.losses ?? "0,1,5", 0))
    for (const kib of readCounts("sizes", given.sizes ?? "16,64"))
      for (const [sender, receiver] of pairs)
        specs.push({ sender, receiver, messageBytes: kib * 1024, delayMs, lossPercent, ...common });

const rows: (string | number)[][] = [];
for (const [done, spec] of specs.entries()) {
  if (process.stderr.isTTY) process.stderr.write(`\r${done + 1} of ${specs.length} `);
  const { sender, receiver, messageBytes, delayMs, lossPercent } = spec;
  try {
    const { bytesPerSecond, senderCpuMsPerMb, receiverCpuMsPerMb } = await runTransfer(spec);
    const mbps = round(bytesPerSecond / 1e6, 2);
    // Where nothing comes through there is no megabyte to pay for.
    const cpu = [senderCpuMsPerMb, receiverCpuMsPerMb].map((ms) => (Number.isFinite(ms) ? round(ms, 1) : "–"));
    if (given.json) console.log(JSON.stringify({ sender, receiver, messageBytes, delayMs, lossPercent, mbps, cpu }));
    rows.push([`${sender} → ${receiver}`, delayMs, lossPercent, messageBytes / 1024, mbps, ...cpu]);
  } catch (error) {
    fail(`${sender} → ${receiver}, ${delayMs} ms, ${lossPercent} %: ${(error as Error).message}`);
  }
}
if (process.stderr.isTTY) process.stderr.write("\r            \r");
if (!given.json) {
  const columns = ["pair", "delay ms", "loss %", "message KiB", "MB/s", "sender ms/MB", "receiver ms/MB"];
  console.log(formatTable(columns, rows));
}
