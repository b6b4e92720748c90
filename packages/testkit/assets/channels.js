// Runs inside a test page before the harness, which hands it every data channel of the client: shows a test what really crosses them,
// and lets it send what no client would. Loaded by browser.ts; `channels` is its only global. Bytes go in and out as base64.
(() => {
  const MAX_RECORDED = 5000;
  const held = [];
  const records = [];
  let recording = false;

  const toBase64 = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  const fromBase64 = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));

  function note(direction, label, message) {
    if (!recording || typeof message === "string" || records.length >= MAX_RECORDED) return;
    const bytes = ArrayBuffer.isView(message)
      ? new Uint8Array(message.buffer, message.byteOffset, message.byteLength)
      : new Uint8Array(message);
    records.push({ direction, label, bytes: toBase64(bytes) });
  }

  window.channels = {
    hold: (channel) => {
      held.push(channel);
      channel.addEventListener("message", ({ data }) => note("in", channel.label, data));
      const send = channel.send.bind(channel);
      channel.send = (message) => {
        note("out", channel.label, message);
        send(message);
      };
      return channel;
    },
    /** From now on what crosses the channels is kept. */
    record: () => {
      recording = true;
    },
    recorded: (direction, label) => records.filter((r) => r.direction === direction && r.label === label),
    /** Sends these messages as they are, all of them so many times, each when there is room for it. */
    send: async (label, texts, times) => {
      const channel = held.findLast((c) => c.label === label && c.readyState === "open");
      const messages = texts.map(fromBase64);
      for (let i = 0; i < times * messages.length; i++) {
        while (channel.bufferedAmount > 1 << 20) await new Promise((resolve) => setTimeout(resolve, 5));
        channel.send(messages[i % messages.length]);
      }
    },
    count: () => held.filter(({ readyState }) => readyState === "open").length,
  };
})();
