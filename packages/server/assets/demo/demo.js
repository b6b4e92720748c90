// The demo call: join, see and hear, mute, share, chat, leave. Everything about one tile is in tile.js.
import { DisconnectReason, Room, RoomEvent, setLogLevel } from "./livekit-client.mjs";
import { Tiles } from "./tile.js";

const $ = (id) => document.getElementById(id);
const on = (element, type, handler) => element.addEventListener(type, (event) => void handler(event));
const params = new URLSearchParams(location.search);
const form = $("join");
let room;
let tiles;

setLogLevel("warn");
const settings = await fetch("config.json")
  .then((r) => r.json())
  .catch(() => ({ tokens: false }));
$("token-field").hidden = settings.tokens;
// Who and where stands in the token, where one is asked for.
for (const label of form.querySelectorAll(".self")) {
  label.hidden = !settings.tokens;
  label.querySelector("input").required = settings.tokens;
}
form.identity.value = params.get("identity") ?? localStorage.getItem("stoa-name") ?? "";
form.room.value = params.get("room") ?? form.room.value;
if (params.get("token")) form.token.value = params.get("token");

on(form, "submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  $("problem").textContent = "";
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
  room = new Room({ adaptiveStream: true, dynacast: true });
  tiles = new Tiles($("grid"), room);
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
    .on(RoomEvent.ChatMessage, (message, from) => addMessage(from?.identity ?? "someone", message.message))
    .on(RoomEvent.DataReceived, (bytes, from) =>
      addMessage(from?.identity ?? "someone", new TextDecoder().decode(bytes)),
    )
    .on(RoomEvent.Disconnected, left);

  const url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}`;
  await room.connect(url, token);
  $("room-name").textContent = room.name;
  $("messages").replaceChildren();
  toggleChat(false);
  show("call");
  refresh();
  const wanted = [
    form.mic.checked && room.localParticipant.setMicrophoneEnabled(true),
    form.cam.checked && room.localParticipant.setCameraEnabled(true),
  ];
  for (const result of await Promise.allSettled(wanted)) {
    if (result.status === "rejected") addMessage("Stoa", `No device: ${result.reason.message}`);
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

function addMessage(who, text) {
  const line = document.createElement("li");
  const name = document.createElement("b");
  name.textContent = who;
  line.append(name, text);
  $("messages").append(line);
  while ($("messages").children.length > 200) $("messages").firstChild.remove();
  line.scrollIntoView();
  toggleChat(true);
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
    await toggle(room.localParticipant).catch((error) => addMessage("Stoa", error.message));
    refresh();
  });
}
on($("chat"), "click", () => toggleChat());
on($("leave"), "click", () => room.disconnect());
on($("say"), "submit", async (event) => {
  event.preventDefault();
  const { text } = event.target;
  if (!text.value.trim()) return;
  await room.localParticipant.publishData(new TextEncoder().encode(text.value), { reliable: true, topic: "chat" });
  addMessage("You", text.value);
  text.value = "";
});
addEventListener("pagehide", () => room?.disconnect());
// Only now: pressed earlier, the form would be sent as a plain page request.
form.querySelector("button").disabled = false;
