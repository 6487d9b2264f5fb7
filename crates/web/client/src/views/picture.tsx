// A video element with an SDK track in it. Fills its box when hardly anything is cut off by that.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { fit, type Size } from "../layout";
import type { VideoTrack } from "../people";

interface Props {
  track: VideoTrack;
  mirrored?: boolean;
  /** Show all of it, whatever the shape of the box: for screens. */
  whole?: boolean;
  label: string;
}

export function Picture({ track, mirrored = false, whole = false, label }: Props) {
  const element = useRef<HTMLVideoElement>(null);
  const picture = useSignal<Size>({ width: 0, height: 0 });
  const box = useSignal<Size>({ width: 0, height: 0 });

  useEffect(() => {
    const video = element.current;
    if (!video) return;
    // The sound of a person has its own element; here it would be heard twice.
    video.muted = true;
    track.attach(video);
    return () => void track.detach(video);
  }, [track]);

  useEffect(() => {
    const video = element.current;
    if (!video) return;
    const measured = (): void => void (picture.value = { width: video.videoWidth, height: video.videoHeight });
    const boxed = new ResizeObserver(() => (box.value = { width: video.clientWidth, height: video.clientHeight }));
    video.addEventListener("resize", measured);
    boxed.observe(video);
    return () => {
      video.removeEventListener("resize", measured);
      boxed.disconnect();
    };
  }, []);

  return (
    <video
      ref={element}
      class={mirrored ? "picture mirrored" : "picture"}
      style={{ objectFit: whole ? "contain" : fit(picture.value, box.value) }}
      aria-label={label}
      autoplay
      playsInline
      disablePictureInPicture
      muted
    />
  );
}
