// The chat: what LiveKit's clients hold for chat, each message once, and nothing else that travels as data.
import { RoomEvent } from "./livekit-client.mjs";

/** Text streams of this topic are the chat of LiveKit's components. */
const TOPIC = "lk.chat";
/** What components wrote before there were text streams: data messages with JSON. */
const OLD_TOPIC = "lk-chat-topic";
const MAX_CHARACTERS = 4000;
const MAX_LINES = 200;

/** The messages of a room in a list; `onMessage` is called when one is new. */
export class Chat {
  #list;
  #room;
  #onMessage;

  constructor(list, room, onMessage) {
    this.#list = list;
    this.#room = room;
    this.#onMessage = onMessage;
    list.replaceChildren();
    room.registerTextStreamHandler(TOPIC, (reader, { identity }) => void this.#read(reader, identity));
    room
      .on(RoomEvent.ChatMessage, ({ id, message }, from) => this.#show(from?.identity, id, message))
      .on(RoomEvent.DataReceived, (bytes, from, _kind, topic) => {
        if (topic === OLD_TOPIC) this.#takeOld(bytes, from?.identity);
      });
  }

  /** Sends to everybody, so that clients of all ages see it. */
  async send(message) {
    const me = this.#room.localParticipant;
    const { id, timestamp } = await me.sendText(message, { topic: TOPIC });
    this.#show(me.identity, id, message);
    // ignoreLegacy: whoever knows text streams has it already.
    const old = JSON.stringify({ id, timestamp, message, ignoreLegacy: true });
    await me.publishData(new TextEncoder().encode(old), { reliable: true, topic: OLD_TOPIC });
  }

  /** A line of the page itself. */
  note(text) {
    this.#add("Stoa", text);
  }

  /** Agents write while they think: the line grows. */
  async #read(reader, identity) {
    let text = "";
    try {
      for await (const chunk of reader) {
        text = (text + chunk).slice(0, MAX_CHARACTERS);
        this.#show(identity, reader.info.id, text);
        if (text.length === MAX_CHARACTERS) return;
      }
    } catch {
      // its sender left in the middle: what came stays
    }
  }

  #takeOld(bytes, identity) {
    let old;
    try {
      old = JSON.parse(new TextDecoder().decode(bytes));
    } catch {
      return;
    }
    if (typeof old?.message !== "string" || old.ignoreLegacy || old.ignore) return;
    this.#show(identity, old.id, old.message);
  }

  #show(identity, id, message) {
    const key = id ? `${identity}/${id}` : "";
    const text = message.slice(0, MAX_CHARACTERS);
    const known = key && [...this.#list.children].find((line) => line.dataset.key === key);
    if (known) known.lastChild.textContent = text;
    else this.#add(this.#nameOf(identity), text, key);
  }

  #nameOf(identity) {
    if (identity === undefined) return "The server";
    if (identity === this.#room.localParticipant.identity) return "You";
    return this.#room.remoteParticipants.get(identity)?.name || identity;
  }

  #add(who, text, key = "") {
    const line = document.createElement("li");
    const name = document.createElement("b");
    const words = document.createElement("span");
    name.textContent = who;
    words.textContent = text;
    line.dataset.key = key;
    line.append(name, words);
    this.#list.append(line);
    while (this.#list.children.length > MAX_LINES) this.#list.firstChild.remove();
    this.#onMessage();
    line.scrollIntoView();
  }
}
