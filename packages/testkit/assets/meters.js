// Runs inside a test page before the harness: reads the number out of every frame that is shown and the pitch of what is heard,
// and keeps what a person would complain of: freezes, steps back, pictures of the wrong size. Loaded by browser.ts; `meters` is its only global.
(() => {
  const CELLS = 18; // white, black, then 16 bits of the frame number
  const viewers = new Map();
  const listeners = new Map();
  const keyOf = (identity, source) => `${identity}/${source}`;

  /** Draws the number on top of a picture. */
  function drawNumber(pen, number, width, height) {
    const cell = width / CELLS;
    for (let i = 0; i < CELLS; i++) {
      const bit = i === 0 ? 1 : i === 1 ? 0 : (number >> (i - 2)) & 1;
      pen.fillStyle = bit ? "#fff" : "#000";
      pen.fillRect(i * cell, 0, cell + 1, height / 6);
    }
  }

  function readNumber(pen) {
    const pixels = pen.getImageData(0, 0, CELLS * 4, 4).data;
    const bright = (i) => pixels[(CELLS * 4 * 2 + i * 4 + 2) * 4 + 1] > 127;
    if (!bright(0) || bright(1)) return -1; // not our picture (yet)
    let number = 0;
    for (let i = 0; i < 16; i++) if (bright(i + 2)) number |= 1 << i;
    return number;
  }

  /** Follows a track that has arrived, under the name of its publisher and its source. */
  function watch(track, identity) {
    const element = track.attach();
    element.muted = track.kind === "video";
    element.width = 160; // what is shown is small: painting is not what is tested
    document.body.append(element);
    const key = keyOf(identity, track.source);
    if (track.kind === "audio") listen(key, track.mediaStreamTrack);
    else look(key, element);
  }

  function listen(key, track) {
    listeners.get(key)?.close();
    const audio = new AudioContext();
    const ears = new ChannelSplitterNode(audio, { numberOfOutputs: 2 });
    audio.createMediaStreamSource(new MediaStream([track])).connect(ears);
    const analysers = [0, 1].map((ear) => {
      const analyser = new AnalyserNode(audio, { fftSize: 8192, smoothingTimeConstant: 0 });
      ears.connect(analyser, ear);
      return analyser;
    });
    listeners.set(key, { analysers, close: () => audio.close() });
  }

  function look(key, element) {
    const canvas = new OffscreenCanvas(CELLS * 4, 4);
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    const view = { element, stopped: false, number: -1, width: 0, height: 0, ...blank() };
    viewers.set(key, view);
    const onFrame = (_now, meta) => {
      if (view.stopped) return;
      view.width = meta.width;
      view.height = meta.height;
      pen.drawImage(element, 0, 0, meta.width, meta.height / 8, 0, 0, CELLS * 4, 4);
      note(view, readNumber(pen), performance.now());
      element.requestVideoFrameCallback(onFrame);
    };
    element.requestVideoFrameCallback(onFrame);
  }

  const blank = () => ({ frames: 0, backwards: 0, repeated: 0, longestGapMs: 0, movedAt: 0, widths: [] });

  function note(view, number, now) {
    view.frames++;
    if (view.widths.at(-1) !== view.width && view.widths.length < 100) view.widths.push(view.width);
    if (number < 0) return;
    const step = view.number < 0 ? 1 : (number - view.number) & 0xffff;
    if (step === 0) view.repeated++;
    else if (step > 0x8000) view.backwards++;
    else {
      if (view.movedAt) view.longestGapMs = Math.max(view.longestGapMs, now - view.movedAt);
      view.movedAt = now;
    }
    view.number = number;
  }

  function unwatch(track, identity, source) {
    track.detach().forEach((element) => element.remove());
    const key = keyOf(identity, source);
    const view = viewers.get(key);
    if (view) view.stopped = true;
    viewers.delete(key);
    listeners.get(key)?.close();
    listeners.delete(key);
  }

  /** Loudest frequency that is heard of someone in the left (0) or right (1) ear, and how loud (dB). */
  function heard(identity, source = "microphone", ear = 0) {
    const analyser = listeners.get(keyOf(identity, source))?.analysers[ear];
    if (!analyser) return { hz: 0, db: -200 };
    const bins = new Float32Array(analyser.frequencyBinCount);
    analyser.getFloatFrequencyData(bins);
    let best = 2;
    for (let i = 2; i < bins.length; i++) if (bins[i] > bins[best]) best = i;
    return { hz: (best * analyser.context.sampleRate) / analyser.fftSize, db: bins[best] };
  }

  /** What was seen of someone since the picture came or since `forget`; a picture that stands still counts as a gap at once. */
  function seen(identity, source = "camera") {
    const view = viewers.get(keyOf(identity, source));
    if (!view) return undefined;
    const { element: _element, stopped: _stopped, movedAt, ...figures } = view;
    const idleMs = movedAt ? performance.now() - movedAt : 0;
    return { ...figures, longestGapMs: Math.max(figures.longestGapMs, idleMs), idleMs };
  }

  /** Starts the figures of `seen` anew, without a gap for the time before. */
  function forget(identity, source = "camera") {
    const view = viewers.get(keyOf(identity, source));
    if (view) Object.assign(view, blank(), { movedAt: performance.now() });
  }

  /** Size of the element that shows someone, in pixels of the page; width 0 hides it. */
  function resize(identity, width, height, source = "camera") {
    const { element } = viewers.get(keyOf(identity, source));
    element.style.display = width > 0 ? "block" : "none";
    if (width > 0) Object.assign(element, { width, height });
  }

  window.meters = { drawNumber, watch, unwatch, heard, seen, forget, resize };
})();
