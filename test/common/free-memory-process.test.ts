// What a process no longer needs goes back to the kernel.
import { readFileSync } from 'node:fs';
import koffi from 'koffi';
import t from 'tap';
import { giveBackFreeMemory } from '../../common/free-memory-process.ts';

/** Of this process. */
function residentBytes(): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1_024;
}

const libc = koffi.load(null);
const malloc = libc.func('void *malloc(size_t size)');
const memset = libc.func('void *memset(void *memory, int value, size_t size)');
const free = libc.func('void free(void *memory)');

t.test('memory that the C library holds free goes back', async (t) => {
  const blockBytes = 8_192;
  const blocks = Array.from({ length: 8_000 }, () => memset(malloc(blockBytes), 1, blockBytes));
  // The last one stays: it keeps all before it from going back by itself.
  const last = blocks.pop();
  for (const block of blocks) free(block);
  const before = residentBytes();
  const outcome = giveBackFreeMemory();
  if (outcome === 'unknown') {
    t.pass('no such call', { skip: 'glibc alone has it' });
    return;
  }
  t.equal(outcome, 'given back');
  t.ok(before - residentBytes() > 40_000_000, `${before - residentBytes()} bytes went back`);
  free(last);
});
