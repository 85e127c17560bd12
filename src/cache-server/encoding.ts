// The bytes of the services' answers. A GPU is encoded once per change; every answer and event that shows it wraps
// those same bytes. What leaves this file is a gRPC frame: 5 bytes of length, then the message.
import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { Gpu, ListMeta } from '../wire/nvidia/device/v1alpha1/gpu.ts';
import { type CachedGpu, toWire } from './gpu.ts';

/** What precedes a message on the wire: whether it is compressed, and its length. */
export const frameHeaderLength = 5;

/** The type of a watch event. */
export type EventType = 'ADDED' | 'MODIFIED' | 'DELETED';

// Protobuf tags: the field's number times 8, plus 2 for a length-delimited value (0 for a varint).
const field1 = (1 << 3) | 2;
const field2 = (2 << 3) | 2;
const field2Varint = 2 << 3;

/** The bytes of a `Gpu` message. */
export function encodeGpu(gpu: CachedGpu): Uint8Array {
  return Gpu.encode(toWire(gpu)).finish();
}

/** A message whose field 1 is the GPU: the response of GetGpu, UpdateGpu, UpdateGpuStatus, and of CreateGpu of old ones. */
export function gpuResponse(gpu: Uint8Array): Buffer {
  return toFrame(new BinaryWriter().uint32(field1).bytes(gpu));
}

/** A `CreateGpuResponse` with `created` set. */
export function createdResponse(gpu: Uint8Array): Buffer {
  return toFrame(new BinaryWriter().uint32(field1).bytes(gpu).uint32(field2Varint).bool(true));
}

/** A `ListGpusResponse` of GPUs at one version of the cache. */
export function listResponse(gpus: Iterable<Uint8Array>, version: number): Buffer {
  const list = new BinaryWriter().uint32(field1).bytes(ListMeta.encode({ resourceVersion: String(version) }).finish());
  for (const gpu of gpus) list.uint32(field2).bytes(gpu);
  return toFrame(new BinaryWriter().uint32(field1).bytes(list.finish()));
}

/** A `WatchGpusResponse`. */
export function watchEvent(type: EventType, gpu: Uint8Array): Buffer {
  return toFrame(new BinaryWriter().uint32(field1).string(type).uint32(field2).bytes(gpu));
}

/** The frame of an encoded message: no compression, the length, the message. */
export function toFrame(message: { finish(): Uint8Array }): Buffer {
  const bytes = message.finish();
  const frame = Buffer.allocUnsafeSlow(frameHeaderLength + bytes.length);
  frame[0] = 0;
  frame.writeUInt32BE(bytes.length, 1);
  frame.set(bytes, frameHeaderLength);
  return frame;
}

/** The message in a frame; nothing is copied. */
export function messageOf(frame: Buffer): Buffer {
  return frame.subarray(frameHeaderLength);
}
