// npm run plot:congestion: runs the scenarios of congestion control and draws each as an SVG into docs/3-reference/.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { readArguments } from "./arguments.mjs";
import { build, installDependencies, root } from "./prepare.mjs";

const WIDTH = 860;
const LEFT = 64;
const RIGHT = 16;
const RATES = { top: 84, height: 220 };
const QUEUE = { top: 346, height: 84 };
const HEIGHT = 474;
const COLOUR = {
  capacity: "#e3e8ef",
  capacityEdge: "#9aa5b4",
  estimate: "#1f6feb",
  sent: "#e0701a",
  queue: "#7d4cc2",
  text: "#24292f",
  quiet: "#6a737d",
  grid: "#e6e9ed",
};
/** As the scenario tests allow. */
const SETTLE_MS = 15_000;
/** What no queue is to exceed for long, milliseconds. */
const QUEUE_GOAL_MS = 150;

readArguments(
  `npm run plot:congestion

Runs the scenarios of congestion control in virtual time, draws each as an SVG into docs/3-reference/ and prints a table of their figures.`,
  { options: {} },
);
installDependencies();
build();
const { SCENARIOS } = await import(join(root, "test", "dist", "scenario", "congestion-scenarios.js"));
const { run } = await import(join(root, "test", "dist", "scenario", "congestion-world.js"));
console.log(
  "| scenario | estimate | sent | waiting time, 95 of 100 | highest layer again after |\n| --- | --- | --- | --- | --- |",
);
for (const scenario of SCENARIOS) {
  const samples = run(scenario);
  writeFileSync(join(root, "docs", "3-reference", `congestion-${scenario.name}.svg`), draw(scenario, samples));
  console.log(figures(scenario, samples));
}

/** One line of a table: means over the time when the link has been the same for 15 s, as shares of what it carries. */
function figures({ name, link, source }, samples) {
  const changes = [
    ...link.capacity.map(([fromMs]) => fromMs),
    ...(link.others ? [link.others.fromMs, link.others.toMs] : []),
  ];
  const settled = samples.filter((s) => !changes.some((fromMs) => s.atMs > fromMs && s.atMs <= fromMs + SETTLE_MS));
  const free = ({ atMs, capacityBps }) => {
    const { fromMs, toMs, bps } = link.others ?? { fromMs: 0, toMs: 0, bps: 0 };
    return atMs > fromMs && atMs <= toMs ? capacityBps - bps : capacityBps;
  };
  const percent = (of) =>
    `${Math.round((100 * settled.reduce((sum, s) => sum + of(s) / free(s), 0)) / settled.length)} %`;
  const waits = settled.map((s) => s.queueMs).toSorted((a, b) => a - b);
  const wait = `${Math.round(waits[Math.floor(waits.length * 0.95)])} ms`;
  const liftedMs = link.capacity.at(-1)[0];
  const back = samples.find((s) => s.atMs > liftedMs && s.grantedBps >= 0.9 * source.at(-1));
  const layers = source.length > 1;
  const cells = [
    `congestion-${name}`,
    layers ? "–" : percent((s) => s.estimateBps),
    layers ? "–" : percent((s) => s.sentBps),
    wait,
    liftedMs > 0 && back ? `${((back.atMs - liftedMs) / 1000).toFixed(1)} s` : "–",
  ];
  return `| ${cells.join(" | ")} |`;
}

function draw({ title, durationMs }, samples) {
  const x = (ms) => LEFT + (ms / durationMs) * (WIDTH - LEFT - RIGHT);
  const mostBps = roundUp(1.08 * Math.max(...samples.map((s) => Math.max(s.capacityBps, s.estimateBps, s.sentBps))));
  const mostMs = Math.max(200, roundUp(Math.max(...samples.map((s) => s.queueMs))));
  const rate = (bps) => RATES.top + RATES.height * (1 - bps / mostBps);
  const queue = (ms) => QUEUE.top + QUEUE.height * (1 - ms / mostMs);
  const known = samples.filter((s) => s.estimateBps > 0);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif" font-size="12">`,
    `<title>${title}</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" rx="8" fill="#fff"/>`,
    text(LEFT, 32, title, { size: 16, weight: 600 }),
    legend(),
    ...axis(ticks(mostBps), rate, (bps) => (bps === 0 ? "0" : formatRate(bps)), RATES),
    step(samples, x, rate),
    line(known, x, (s) => rate(s.estimateBps), COLOUR.estimate, 2),
    line(samples, x, (s) => rate(s.sentBps), COLOUR.sent, 1.25),
    text(LEFT, QUEUE.top - 12, "Waiting time in the bottleneck", { colour: COLOUR.queue, weight: 600 }),
    ...axis([0, mostMs / 2, mostMs], queue, (ms) => `${ms} ms`, QUEUE),
    area(samples, x, queue),
    `<path d="M${LEFT} ${queue(QUEUE_GOAL_MS)}H${WIDTH - RIGHT}" stroke="${COLOUR.queue}" stroke-dasharray="3 4" opacity=".7"/>`,
    text(WIDTH - RIGHT, queue(QUEUE_GOAL_MS) - 4, `${QUEUE_GOAL_MS} ms`, {
      colour: COLOUR.queue,
      anchor: "end",
      size: 11,
    }),
    ...seconds(durationMs, x),
    "</svg>",
    "",
  ].join("\n");
}

function legend() {
  const entries = [
    [COLOUR.capacityEdge, "what the link carries", 0],
    [COLOUR.estimate, "estimate", 158],
    [COLOUR.sent, "sent, with padding (mean of a second)", 240],
  ];
  return entries
    .map(
      ([colour, name, at]) =>
        `<path d="M${LEFT + at} 56h16" stroke="${colour}" stroke-width="3" stroke-linecap="round"/>${text(LEFT + at + 22, 60, name, {})}`,
    )
    .join("\n");
}

function axis(values, y, name, { top, height }) {
  const lines = values.map(
    (value) =>
      `<path d="M${LEFT} ${round(y(value))}H${WIDTH - RIGHT}" stroke="${COLOUR.grid}"/>${text(LEFT - 8, y(value) + 4, name(value), { colour: COLOUR.quiet, anchor: "end" })}`,
  );
  return [...lines, `<path d="M${LEFT} ${top}V${top + height}" stroke="${COLOUR.grid}"/>`];
}

function seconds(durationMs, x) {
  const everyMs = durationMs > 150_000 ? 20_000 : 10_000;
  const marks = [];
  for (let ms = 0; ms <= durationMs; ms += everyMs) {
    const anchor = ms === durationMs ? "end" : "middle";
    marks.push(text(x(ms), QUEUE.top + QUEUE.height + 20, `${ms / 1000} s`, { colour: COLOUR.quiet, anchor }));
  }
  return marks;
}

/** The capacity, as a shaded area with an edge of steps. */
function step(samples, x, y) {
  let path = `M${round(x(0))} ${round(y(samples[0].capacityBps))}`;
  for (const [i, s] of samples.entries()) {
    if (i > 0 && s.capacityBps === samples[i - 1].capacityBps) continue;
    path += `H${round(x(s.atMs))}V${round(y(s.capacityBps))}`;
  }
  path += `H${round(x(samples.at(-1).atMs))}`;
  const fill = `<path d="${path}V${round(y(0))}H${round(x(0))}Z" fill="${COLOUR.capacity}" opacity=".55"/>`;
  return `${fill}<path d="${path}" fill="none" stroke="${COLOUR.capacityEdge}" stroke-width="1.5"/>`;
}

function line(samples, x, y, colour, width) {
  const points = samples.map((s) => `${round(x(s.atMs))} ${round(y(s))}`);
  return `<polyline points="${points.join(" ")}" fill="none" stroke="${colour}" stroke-width="${width}" stroke-linejoin="round"/>`;
}

function area(samples, x, y) {
  const points = samples.map((s) => `${round(x(s.atMs))} ${round(y(s.queueMs))}`);
  const floor = round(y(0));
  return `<polygon points="${round(x(0))} ${floor} ${points.join(" ")} ${round(x(samples.at(-1).atMs))} ${floor}" fill="${COLOUR.queue}" opacity=".75"/>`;
}

function text(x, y, words, { colour = COLOUR.text, size, weight, anchor }) {
  const more = [
    size ? ` font-size="${size}"` : "",
    weight ? ` font-weight="${weight}"` : "",
    anchor ? ` text-anchor="${anchor}"` : "",
  ].join("");
  return `<text x="${round(x)}" y="${round(y)}" fill="${colour}"${more}>${words}</text>`;
}

function formatRate(bps) {
  return bps >= 1_000_000 ? `${bps / 1_000_000} Mbit/s` : `${bps / 1000} kbit/s`;
}

/** Up to the next 1, 2, 2.5, 3, 4, 5 of a power of ten. */
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 10].map((n) => n * power).find((n) => n >= value);
}

function ticks(most) {
  const power = 10 ** Math.floor(Math.log10(most));
  const every = [0.2, 0.25, 0.5, 1].map((n) => n * power).find((n) => most / n <= 5);
  return Array.from({ length: Math.floor(most / every + 1e-6) + 1 }, (_, i) => i * every);
}

function round(n) {
  return Math.round(n * 10) / 10;
}
