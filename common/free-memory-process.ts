// Gives back to the kernel what a start has left free in V8's heap and in the C library: 9 and 2 MB, for which nobody will ask again soon.
// Sources: V8's `--expose-gc` (`gc` with a flavor), malloc_trim(3) of glibc.
import { createRequire } from 'node:module';

/** For once: it stops everything for some 30 ms. What the process was not started with (`--expose-gc`), or the system lacks, is left out. */
export function giveBackFreeMemory(): void {
  const collect: unknown = Reflect.get(globalThis, 'gc');
  // The flavor that keeps no empty pages for later.
  if (typeof collect === 'function') collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  try {
    const koffi: Pick<typeof import('koffi'), 'load'> = createRequire(import.meta.url)('koffi');
    koffi.load(null).func('int malloc_trim(size_t pad)')(0);
  } catch {
    // Another C library than glibc.
  }
}
