// Profiles of this process in the format of pprof: what its main thread computes, and what of that thread's heap lives.
import { Session } from 'node:inspector/promises';
import { setTimeout } from 'node:timers/promises';
import { encodeProfile } from './pprof-codec.ts';
import { samplesOfCpu, samplesOfHeap } from './v8-profile.ts';

export interface Profiler {
  /** Undefined while another one is being taken. */
  cpu(options: CpuProfileOptions): Promise<Uint8Array | undefined>;
  /** Undefined unless it is sampled. */
  heap(): Promise<Uint8Array | undefined>;
  /** What is allocated from now on; 'off' forgets all of it. */
  sampleHeap(state: 'on' | 'off'): Promise<void>;
}

export interface CpuProfileOptions {
  readonly seconds: number;
  /** Samples a second. */
  readonly frequency: number;
}

/** Bytes between two samples: V8's default, some percent of speed. */
const heapIntervalBytes = 32_768;

export function createProfiler(): Profiler {
  let cpuState: 'idle' | 'busy' = 'idle';
  let sampled: { readonly session: Session; readonly startedAtMs: number } | undefined;

  return {
    async cpu(options) {
      if (cpuState === 'busy') return undefined;
      cpuState = 'busy';
      try {
        return await takeCpuProfile(options);
      } finally {
        cpuState = 'idle';
      }
    },
    async heap() {
      if (sampled === undefined) return undefined;
      const { session, startedAtMs } = sampled;
      const { profile } = await session.post('HeapProfiler.getSamplingProfile');
      const space = { type: 'inuse_space', unit: 'bytes' };
      const period = { kind: { type: 'space', unit: 'bytes' }, amount: heapIntervalBytes };
      const durationMs = Date.now() - startedAtMs;
      return encodeProfile({ kinds: [space], samples: samplesOfHeap(profile), period, startedAtMs, durationMs });
    },
    async sampleHeap(state) {
      if (state === 'on' && sampled === undefined) {
        const session = new Session();
        session.connect();
        sampled = { session, startedAtMs: Date.now() };
        await session.post('HeapProfiler.startSampling', { samplingInterval: heapIntervalBytes });
      } else if (state === 'off') {
        sampled?.session.disconnect();
        sampled = undefined;
      }
    },
  };
}

async function takeCpuProfile({ seconds, frequency }: CpuProfileOptions): Promise<Uint8Array> {
  const session = new Session();
  session.connect();
  try {
    const startedAtMs = Date.now();
    await session.post('Profiler.enable');
    await session.post('Profiler.setSamplingInterval', { interval: 1_000_000 / frequency });
    await session.post('Profiler.start');
    // Nobody's shutdown waits for it.
    await setTimeout(seconds * 1_000, undefined, { ref: false });
    const { profile } = await session.post('Profiler.stop');
    const cpu = { type: 'cpu', unit: 'nanoseconds' };
    return encodeProfile({
      kinds: [{ type: 'samples', unit: 'count' }, cpu],
      samples: samplesOfCpu(profile),
      period: { kind: cpu, amount: 1_000_000_000 / frequency },
      startedAtMs,
      durationMs: seconds * 1_000,
    });
  } finally {
    session.disconnect();
  }
}
