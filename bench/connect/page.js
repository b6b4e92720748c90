// Runs inside a subscriber's page beside livekit-client: joins once with default options and notes when each stage was reached.
/* global LivekitClient */
(() => {
  const marks = {};
  const mark = (name, at = performance.now()) => {
    marks[name] ??= at;
  };

  const NativeSocket = window.WebSocket;
  window.WebSocket = class extends NativeSocket {
    constructor(...args) {
      mark("start");
      super(...args);
      this.addEventListener("open", () => mark("open"));
      this.addEventListener("message", () => mark("join"), { once: true });
    }
  };

  const NativePeer = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends NativePeer {
    constructor(...args) {
      super(...args);
      this.addEventListener("iceconnectionstatechange", () => {
        if (this.iceConnectionState === "connected" || this.iceConnectionState === "completed") mark("ice");
      });
      this.addEventListener("connectionstatechange", () => {
        if (this.connectionState === "connected") mark("dtls");
      });
    }
  };

  /** Joins, waits for the first decoded video frame, leaves; gives milliseconds since the WebSocket was created. */
  window.measureConnect = async (url, token, timeoutMs) => {
    const room = new LivekitClient.Room();
    const frame = new Promise((resolve, reject) => {
      setTimeout(
        () => reject(new Error(`no frame after ${timeoutMs} ms; reached: ${Object.keys(marks).join(", ")}`)),
        timeoutMs,
      );
      room.on(LivekitClient.RoomEvent.TrackSubscribed, (track) => {
        if (track.kind !== "video") return;
        mark("subscribed");
        const element = track.attach();
        element.muted = true;
        document.body.append(element);
        element.requestVideoFrameCallback((now, frame) => {
          mark("frame", frame.presentationTime ?? now);
          resolve();
        });
      });
    });
    await Promise.all([room.connect(url, token), frame]);
    await room.disconnect();
    return Object.fromEntries(Object.entries(marks).map(([name, at]) => [name, at - marks.start]));
  };
})();
