// Gives back to the kernel what the C library holds free: after a start that is megabytes, which nobody will ask for again.
// Source: malloc_trim(3), of glibc alone.
import { createRequire } from 'node:module';

/** @returns 'unknown' where there is no such call */
export function giveBackFreeMemory(): 'given back' | 'nothing to give' | 'unknown' {
  try {
    const koffi: Pick<typeof import('koffi'), 'load'> = createRequire(import.meta.url)('koffi');
    const trim = koffi.load(null).func('int malloc_trim(size_t pad)');
    return trim(0) === 1 ? 'given back' : 'nothing to give';
  } catch {
    return 'unknown';
  }
}
