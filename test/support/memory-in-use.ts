// What this process holds after the garbage is gone, for tests that show that something is bounded.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

async function collected(): Promise<NodeJS.MemoryUsage> {
  // Buffers are freed by finalizers, which come after the collection, and may free others.
  for (let round = 0; round < 3; round++) {
    collectGarbage();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return process.memoryUsage();
}

export async function arrayBufferBytes(): Promise<number> {
  return (await collected()).arrayBuffers;
}

/** Objects of JavaScript and memory outside of them. */
export async function memoryBytes(): Promise<number> {
  const { heapUsed, external } = await collected();
  return heapUsed + external;
}
