// Writes a body to the codec that sends it, with back-pressure. In: where from, where to. Out: `onEnd` when all was handed over
// (the caller then ends the message, with trailers or without), `onLost` when the source was cut. A receiver that goes away ends the source.
import type { Readable, Writable } from 'node:stream';

export interface PumpEvents {
  onBytes(bytes: number): void;
  onEnd(): void;
  onLost(error: Error): void;
}

export function pumpBody(from: Readable, to: Writable, events: PumpEvents): void {
  let state: 'running' | 'done' = 'running';
  const finish = (action: () => void): void => {
    if (state === 'done') return;
    state = 'done';
    action();
  };
  from.on('data', (chunk: Buffer) => {
    events.onBytes(chunk.length);
    if (!to.write(chunk)) from.pause();
  });
  to.on('drain', () => from.resume());
  from.on('end', () => finish(() => events.onEnd()));
  from.on('error', (error) => finish(() => events.onLost(error)));
  from.on('close', () => finish(() => events.onLost(new Error('the body was cut off before its end'))));
  to.on('close', () => finish(() => from.destroy()));
}
