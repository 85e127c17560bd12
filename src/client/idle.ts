// Ends a stream in which nothing is heard any more, for a connection whose other end is gone does not tell.

/** Watches over one stream. */
export interface Silence {
  /** Aborted with a TimeoutError once nothing was heard for too long. */
  readonly signal: AbortSignal;
  /** Something came. */
  readonly heard: () => void;
  readonly stop: () => void;
}

/** Begins to listen; both in milliseconds. @param first how long the first sound may take */
export function withoutSilence(longest: number, first: number): Silence {
  const controller = new AbortController();
  const end = () => controller.abort(new DOMException('nothing came for too long', 'TimeoutError'));
  let timer = setTimeout(end, first);
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(end, longest);
  };
  return { signal: controller.signal, heard, stop: () => clearTimeout(timer) };
}
