// A camera over a WebSocket: at most two frames are on their way, one where the model is slow, so that what is
// drawn is never old.

import { counted, draw, figures } from "./drawing.js";
import { Smooth, showDifference, showSpeed, showStages } from "./numbers.js";
import { token } from "./server.js";

const ON_THE_WAY = 2, SLOW = 50 /* milliseconds */, SIDE = 640, QUALITY = 0.85;

export class Camera {
  constructor(video, stage, settings, tell, ended) {
    Object.assign(this, { video, stage, settings, tell, ended });
    this.smooth = new Smooth();
    this.sent = new Map();  // number of a frame -> when it was taken, and what it shows
    this.number = 0;
    this.most = ON_THE_WAY;
    this.running = false;
  }

  async start() {
    if (!navigator.mediaDevices?.getUserMedia) throw new Error("This browser gives a camera to pages of this machine or of https only.");
    this.media = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 640 }, height: { ideal: 480 }, facingMode: "user" } });
    this.video.srcObject = this.media;
    await this.video.play();
    this.running = true;
    const socket = this.socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/v1/live`);
    socket.onopen = () => { socket.send(JSON.stringify({ token: token.value, ...this.settings() })); this.capture(); };
    socket.onmessage = (message) => this.answer(JSON.parse(message.data));
    socket.onclose = () => { if (this.running) { this.tell("The connection to the service ended.", true); this.stop(); } };
  }

  change() {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(this.settings()));
    this.smooth.clear();
  }

  async capture() {
    if (!this.running) return;
    const again = () => this.video.requestVideoFrameCallback ? this.video.requestVideoFrameCallback(() => this.capture()) : requestAnimationFrame(() => this.capture());
    const { videoWidth: wide, videoHeight: high } = this.video;
    if (this.sent.size >= this.most || !wide || document.hidden || this.encoding) return again();
    this.encoding = true;
    const scale = Math.min(1, SIDE / Math.max(wide, high)), canvas = document.createElement("canvas");
    canvas.width = Math.round(wide * scale); canvas.height = Math.round(high * scale);
    canvas.getContext("2d").drawImage(this.video, 0, 0, canvas.width, canvas.height);
    const taken = performance.now();
    again();
    const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", QUALITY));
    this.encoding = false;
    if (!this.running || this.socket.readyState !== WebSocket.OPEN) return;
    this.sent.set(this.number++, { taken, canvas });
    this.socket.send(blob);
  }

  answer(said) {
    if (said.frame === undefined) { this.tell(said.error, true); return; }
    const frame = this.sent.get(said.frame);
    for (const number of this.sent.keys()) if (number <= said.frame) this.sent.delete(number);
    if (said.error) this.tell(said.error, true);
    if (!frame || !said.answers) return;
    const shown = figures(this.stage, said.answers);
    said.answers.forEach((answer, at) => {
      draw(shown[at].canvas, frame.canvas, frame.canvas.width, frame.canvas.height, { ...answer, width: said.width });
      shown[at].caption(`${counted(answer.count)} by ${answer.model}`);
    });
    const now = performance.now(), latency = now - frame.taken;
    const inside = said.answers.reduce((sum, one) => sum + Object.values(one.milliseconds).reduce((a, b) => a + b, 0), 0);
    this.most = inside > SLOW ? 1 : ON_THE_WAY;  // a second frame would wait for the first, and grow old
    const fps = this.last === undefined ? null : 1000 / this.smooth.add("between", now - this.last);
    this.last = now;
    showSpeed({ fps, latency: this.smooth.add("latency", latency), beyond: this.smooth.add("beyond", latency - inside), dropped: said.dropped });
    showStages(said.answers, this.smooth);
    showDifference(said.disagreement);
  }

  stop() {
    this.running = false;
    this.last = undefined;
    this.socket?.close();
    this.media?.getTracks().forEach((track) => track.stop());
    this.sent.clear();
    this.ended();
  }
}
