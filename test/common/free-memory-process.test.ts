// What a process no longer needs goes back to the kernel.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import koffi from 'koffi';
import t from 'tap';
import { giveBackFreeMemory } from '../../common/free-memory-process.ts';
import { daemonNodeOptions } from '../../deploy/local/program-files.ts';

/** Of this process. */
function residentBytes(): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1_024;
}

const libc = koffi.load(null);
const malloc = libc.func('void *malloc(size_t size)');
const memset = libc.func('void *memset(void *memory, int value, size_t size)');
const free = libc.func('void free(void *memory)');
const isGlibc = 'glibcVersionRuntime' in Object(Reflect.get(Object(process.report?.getReport()), 'header'));

t.test(
  'memory that the C library holds free goes back',
  { skip: !isGlibc && 'glibc alone has the call' },
  async (t) => {
    const blockBytes = 8_192;
    const blocks = Array.from({ length: 8_000 }, () => memset(malloc(blockBytes), 1, blockBytes));
    // The last one stays: it keeps all before it from going back by itself.
    const last = blocks.pop();
    for (const block of blocks) free(block);
    const before = residentBytes();
    giveBackFreeMemory();
    t.ok(before - residentBytes() > 40_000_000, `${before - residentBytes()} bytes went back`);
    free(last);
  },
);

t.test('under the options of a daemon, what V8 has left free goes back', async (t) => {
  const module = join(import.meta.dirname, '../../common/free-memory-process.ts');
  const script = `
    import { giveBackFreeMemory } from ${JSON.stringify(module)};
    let made = Array.from({ length: 300_000 }, (_, index) => ({ index, text: 'of ' + index }));
    if (made.length === 0) throw new Error('nothing was made');
    made = undefined;
    const before = process.memoryUsage().heapTotal;
    giveBackFreeMemory();
    process.stdout.write(String(before - process.memoryUsage().heapTotal));`;
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [...daemonNodeOptions, '--input-type=module', '--eval', script],
    { encoding: 'utf8' },
  );
  t.ok(Number(stdout) > 15_000_000, `${stdout} bytes went back ${stderr}`);
});
