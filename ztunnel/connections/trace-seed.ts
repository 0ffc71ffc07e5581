// Random bytes for the trace of one connection, drawn from the system for many at a time. Out: 24 bytes.
import { randomFillSync } from 'node:crypto';

const seedBytes = 24;
const drawn = Buffer.alloc(seedBytes * 256);
let at = drawn.length;

export function nextTraceSeed(): Buffer {
  if (at === drawn.length) {
    randomFillSync(drawn);
    at = 0;
  }
  at += seedBytes;
  return Buffer.from(drawn.subarray(at - seedBytes, at));
}
