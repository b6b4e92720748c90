// A side of the SCTP benchmark in Chromium: globals that `browser-side.ts` calls.
const BUFFER_BYTES = 4 << 20;
let connection;
let received = 0;

async function gathered() {
  while (connection.iceGatheringState !== "complete") await new Promise((resolve) => setTimeout(resolve, 10));
  return connection.localDescription.sdp;
}

globalThis.sctpOffer = async (messageBytes) => {
  const message = new Uint8Array(messageBytes).map((_, i) => (i * 31) ^ (i >> 8));
  connection = new RTCPeerConnection();
  const channel = connection.createDataChannel("bench");
  const fill = () => {
    while (channel.bufferedAmount < BUFFER_BYTES) channel.send(message);
  };
  channel.bufferedAmountLowThreshold = BUFFER_BYTES / 2;
  channel.onopen = fill;
  channel.onbufferedamountlow = fill;
  await connection.setLocalDescription();
  return gathered();
};

globalThis.sctpAnswer = async (sdp) => {
  connection = new RTCPeerConnection();
  connection.ondatachannel = ({ channel }) => {
    channel.binaryType = "arraybuffer";
    channel.onmessage = ({ data }) => (received += data.byteLength);
  };
  await connection.setRemoteDescription({ type: "offer", sdp });
  await connection.setLocalDescription();
  return gathered();
};

globalThis.sctpAccept = (sdp) => connection.setRemoteDescription({ type: "answer", sdp });
globalThis.sctpReceived = () => received;
