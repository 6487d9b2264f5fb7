// A drawn person in a drawn room in place of the fake camera's pattern, for pictures that people look at.

export const PORTRAITS = {
  sanders: { wall: ["#d9cdb8", "#b9a88d"], skin: "#e3b594", hair: "#8d8a86", top: "#3e5c66", style: "bun" },
  alex: { wall: ["#c9d3cf", "#93a8a3"], skin: "#8f5f43", hair: "#2a1d18", top: "#b8693f", style: "short" },
  robin: { wall: ["#dccfc6", "#b39a8e"], skin: "#edc7a8", hair: "#7a4a2b", top: "#5d6d4b", style: "long" },
};

/** Runs in the page before its own scripts: cameras give this drawing, microphones what the browser has. */
export function drawCamera({ wall, skin, hair, top, style }) {
  const SIZE = { width: 1280, height: 720 };
  const canvas = Object.assign(document.createElement("canvas"), SIZE);
  const pen = canvas.getContext("2d");

  const fill = (colour, shape) => {
    pen.fillStyle = colour;
    pen.beginPath();
    shape();
    pen.fill();
  };
  const oval = (x, y, width, height) => pen.ellipse(x, y, width, height, 0, 0, 2 * Math.PI);

  const room = () => {
    const light = pen.createLinearGradient(0, 0, SIZE.width, SIZE.height);
    light.addColorStop(0, wall[0]);
    light.addColorStop(1, wall[1]);
    fill(light, () => pen.rect(0, 0, SIZE.width, SIZE.height));
    fill("rgb(255 250 235 / 35%)", () => pen.roundRect(90, 70, 250, 330, 10));
    fill("rgb(255 250 235 / 30%)", () => pen.rect(208, 70, 12, 330));
    fill("rgb(60 45 30 / 22%)", () => pen.rect(960, 300, 250, 14));
    for (const [x, height, shade] of [[975, 90, 30], [1012, 110, 42], [1050, 80, 24], [1092, 100, 36]]) {
      fill(`rgb(60 45 30 / ${shade}%)`, () => pen.rect(x, 300 - height, 30, height));
    }
  };

  const person = (sway) => {
    const x = 640 + 3 * Math.sin(sway / 2);
    const y = 4 * Math.sin(sway);
    if (style === "long") fill(hair, () => pen.roundRect(x - 150, 190 + y, 300, 330, [150, 150, 60, 60]));
    fill(top, () => pen.roundRect(x - 270, 520 + y, 540, 320, [190, 190, 0, 0]));
    fill(skin, () => pen.roundRect(x - 52, 420 + y, 104, 140, 50));
    fill(skin, () => oval(x, 330 + y, 112, 142));
    fill(hair, () => pen.ellipse(x, 268 + y, 120, 92, 0, Math.PI, 2 * Math.PI));
    if (style === "bun") fill(hair, () => oval(x, 165 + y, 52, 46));
    if (style === "short") fill(hair, () => pen.roundRect(x - 118, 240 + y, 236, 42, 20));
    fill("rgb(40 25 20 / 75%)", () => (oval(x - 42, 336 + y, 9, 11), pen.closePath(), oval(x + 42, 336 + y, 9, 11)));
    pen.strokeStyle = "rgb(90 40 35 / 70%)";
    pen.lineWidth = 6;
    pen.lineCap = "round";
    pen.beginPath();
    pen.arc(x, 378 + y, 36, 0.2 * Math.PI, 0.8 * Math.PI);
    pen.stroke();
  };

  const draw = () => {
    room();
    person(performance.now() / 900);
  };
  draw();
  setInterval(draw, 66);

  const native = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async ({ audio, video }) => {
    const sound = audio ? await native({ audio }) : new MediaStream();
    if (video) sound.addTrack(canvas.captureStream(15).getVideoTracks()[0]);
    return sound;
  };
}
