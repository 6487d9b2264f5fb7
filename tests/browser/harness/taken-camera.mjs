// A camera that another program can take away: it goes on being there, and gives no pictures.

/** Runs in the page before its own scripts. `window.takeCamera(true)` takes it, `false` gives it back. */
export function cameraThatCanBeTaken() {
  const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 360 });
  const pen = canvas.getContext("2d");
  let isTaken = false;
  window.takeCamera = (taken) => void (isTaken = taken);
  setInterval(() => {
    if (isTaken) return;
    pen.fillStyle = `hsl(${(performance.now() / 20) % 360} 60% 50%)`;
    pen.fillRect(0, 0, canvas.width, canvas.height);
  }, 66);

  const native = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async ({ audio, video }) => {
    const stream = audio ? await native({ audio }) : new MediaStream();
    if (video) stream.addTrack(canvas.captureStream(15).getVideoTracks()[0]);
    return stream;
  };
}
