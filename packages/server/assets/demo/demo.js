// The demo call: join, see and hear, mute, share, chat, leave. Everything about tiles is in tile.js, about messages in chat.js.
import { Chat } from "./chat.js";
import { DisconnectReason, Room, RoomEvent, setLogLevel } from "./livekit-client.mjs";
import { Tiles } from "./tile.js";

const $ = (id) => document.getElementById(id);
const on = (element, type, handler) => element.addEventListener(type, (event) => void handler(event));
const params = new URLSearchParams(location.search);
const form = $("join");
let room;
let tiles;
let chat;

setLogLevel("warn");
suggest(form.identity, params.get("identity") ?? localStorage.getItem("stoa-name"));
suggest(form.room, params.get("room"));
suggest(form.token, params.get("token"));
const settings = await fetch("config.json")
  .then((r) => r.json())
  .catch(() => ({ tokens: false }));
$("token-field").hidden = settings.tokens;
// Who and where stands in the token, where one is asked for.
for (const label of form.querySelectorAll(".self")) {
  label.hidden = !settings.tokens;
  label.querySelector("input").required = settings.tokens;
}

/** Fills a field in, unless somebody was quicker than this script. */
function suggest(field, value) {
  if (value && field !== document.activeElement && field.value === field.defaultValue) field.value = value;
}

on(form, "submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button");
  $("problem").textContent = "";
  if (isBlank(form.identity, "Your name is missing.") || isBlank(form.room, "The name of the room is missing.")) return;
  button.disabled = true;
  try {
    await join(form.identity.value.trim(), form.room.value.trim());
    localStorage.setItem("stoa-name", form.identity.value.trim());
  } catch (error) {
    await room?.disconnect();
    show("lobby");
    $("problem").textContent = error.message;
  } finally {
    button.disabled = false;
  }
});

/** Says so; the browser itself takes spaces for a name. */
function isBlank(field, complaint) {
  if (!settings.tokens || field.value.trim()) return false;
  $("problem").textContent = complaint;
  field.focus();
  return true;
}

async function fetchToken(identity, roomName) {
  if (!settings.tokens) return form.token.value.trim();
  const answer = await fetch("token", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ identity, room: roomName }),
  });
  if (!answer.ok) throw new Error(await answer.text());
  return (await answer.json()).token;
}

async function join(identity, roomName) {
  const token = await fetchToken(identity, roomName);
  toggleChat(false);
  room = new Room({ adaptiveStream: true, dynacast: true });
  tiles = new Tiles($("grid"), room);
  chat = new Chat($("messages"), room, () => toggleChat(true));
  room
    .on(RoomEvent.ParticipantConnected, refresh)
    .on(RoomEvent.ParticipantDisconnected, refresh)
    .on(RoomEvent.TrackSubscribed, refresh)
    .on(RoomEvent.TrackUnsubscribed, refresh)
    .on(RoomEvent.TrackUnpublished, refresh) // when it is unsubscribed it still counts as published
    .on(RoomEvent.LocalTrackPublished, refresh)
    .on(RoomEvent.LocalTrackUnpublished, refresh)
    .on(RoomEvent.TrackMuted, refresh)
    .on(RoomEvent.TrackUnmuted, refresh)
    .on(RoomEvent.ActiveSpeakersChanged, refresh)
    .on(RoomEvent.ConnectionStateChanged, (state) => ($("connection").textContent = state === "connected" ? "" : state))
    .on(RoomEvent.Disconnected, left);

  const url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}`;
  await room.connect(url, token);
  $("room-name").textContent = room.name;
  show("call");
  refresh();
  const wanted = [
    form.mic.checked && room.localParticipant.setMicrophoneEnabled(true),
    form.cam.checked && room.localParticipant.setCameraEnabled(true),
  ];
  for (const result of await Promise.allSettled(wanted)) {
    if (result.status === "rejected") chat.note(`No device: ${result.reason.message}`);
  }
  refresh();
}

const ENDS = {
  [DisconnectReason.CLIENT_INITIATED]: "",
  [DisconnectReason.DUPLICATE_IDENTITY]: "Somebody joined with the same name.",
  [DisconnectReason.SERVER_SHUTDOWN]: "The server was stopped.",
  [DisconnectReason.PARTICIPANT_REMOVED]: "You were removed from the call.",
  [DisconnectReason.ROOM_DELETED]: "The call was ended.",
  [DisconnectReason.ROOM_CLOSED]: "The call was ended.",
};

function left(reason) {
  tiles?.close();
  show("lobby");
  $("problem").textContent = ENDS[reason] ?? "The connection was lost.";
}

function show(which) {
  $("lobby").hidden = which !== "lobby";
  $("call").hidden = which !== "call";
}

function refresh() {
  tiles.refresh();
  const count = room.remoteParticipants.size + 1;
  $("people").textContent = count === 1 ? "only you" : `${count} people`;
  const me = room.localParticipant;
  $("mic").setAttribute("aria-pressed", me.isMicrophoneEnabled);
  $("cam").setAttribute("aria-pressed", me.isCameraEnabled);
  $("screen").setAttribute("aria-pressed", me.isScreenShareEnabled);
}

function toggleChat(open = $("talk").hidden) {
  $("talk").hidden = !open;
  $("chat").setAttribute("aria-pressed", open);
}

const toggles = {
  mic: (me) => me.setMicrophoneEnabled(!me.isMicrophoneEnabled),
  cam: (me) => me.setCameraEnabled(!me.isCameraEnabled),
  screen: (me) => me.setScreenShareEnabled(!me.isScreenShareEnabled),
};
for (const [id, toggle] of Object.entries(toggles)) {
  on($(id), "click", async () => {
    await toggle(room.localParticipant).catch((error) => chat.note(error.message));
    refresh();
  });
}
on($("chat"), "click", () => toggleChat());
on($("leave"), "click", () => room.disconnect());
on($("say"), "submit", async (event) => {
  event.preventDefault();
  const { text } = event.target;
  const message = text.value.trim();
  if (!message) return;
  text.value = "";
  await chat.send(message).catch((error) => chat.note(error.message));
});
addEventListener("pagehide", () => room?.disconnect());
// Only now: pressed earlier, the form would be sent as a plain page request.
form.querySelector("button").disabled = false;
