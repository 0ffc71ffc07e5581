// Random bytes for the trace of one connection, drawn from the system for many at a time. Out: 24 bytes.
import { randomBytes } from 'node:crypto';

const seedBytes = 24;
const drawnBytes = seedBytes * 256;
let drawn = Buffer.alloc(0);
let at = 0;

export function nextTraceSeed(): Buffer {
  if (at === drawn.length) {
    drawn = randomBytes(drawnBytes);
    at = 0;
  }
  at += seedBytes;
  return drawn.subarray(at - seedBytes, at);
}
