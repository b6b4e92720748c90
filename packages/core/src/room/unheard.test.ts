import assert from "node:assert/strict";
import { test } from "node:test";
import { MuteTrackRequest, SignalResponse } from "@livekit/protocol";
import { Unheard } from "./unheard.ts";

const mute = (sid: string) => new SignalResponse({ message: { case: "mute", value: new MuteTrackRequest({ sid }) } });
const sidOf = ({ message }: SignalResponse | { message: { case: undefined } }) =>
  message.case === "mute" ? message.value.sid : "";

test("of things without number the last thousand are said again, each once, oldest first", () => {
  const unheard = new Unheard();
  for (let i = 0; i < 1500; i++) {
    unheard.note(mute("always"), 0, 0);
    unheard.note(mute(`TR_${i}`), 0, 0);
  }
  unheard.note(mute("always"), 0, 0);
  const said = unheard.missed(0).own.map(sidOf);
  assert.deepEqual(said, [...Array.from({ length: 999 }, (_, i) => `TR_${i + 501}`), "always"]);
});
