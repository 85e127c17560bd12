// Reads a stream of server-sent events.
// Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation

/** One event; `data` is its text, JSON where the broker sends it, and empty where only the id is told. */
export interface ServerEvent {
  readonly id: string;
  readonly event: string;
  readonly data: string;
}

/** An event longer than this is no event of ours, in characters. */
const longestEvent = 4 * 1024 * 1024;

/**
 * Every event of the stream, in order.
 * @param heard called whenever something came
 * @throws Error when one is longer than any of ours.
 */
export async function* serverEvents(
  body: ReadableStream<Uint8Array>,
  heard: () => void = () => undefined,
): AsyncGenerator<ServerEvent> {
  let rest = '';
  for await (const chunk of body.pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>)) {
    heard();
    const blocks = (rest + chunk).split(/\r?\n\r?\n/);
    rest = blocks.pop() ?? '';
    if (rest.length > longestEvent) throw new Error(`an event is longer than ${longestEvent} characters`);
    for (const block of blocks) {
      const event = parse(block);
      if (event) yield event;
    }
  }
}

/** Undefined for a block that says neither what happened nor how far the stream is. */
function parse(block: string): ServerEvent | undefined {
  const fields = { id: '', event: 'message', data: [] as string[] };
  for (const line of block.split(/\r?\n/)) {
    const [, name = '', value = ''] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
    if (name === 'data') fields.data.push(value);
    else if (name === 'id' || name === 'event') fields[name] = value;
  }
  return fields.data.length === 0 && fields.id === '' ? undefined : { ...fields, data: fields.data.join('\n') };
}
