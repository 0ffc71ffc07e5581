// How long a segment and its acknowledgement take between the kernels of both ends, from tcp(7)'s TCP_INFO: what waits in either
// process is not in it. In: a connected TCP socket's descriptor. Out: milliseconds; undefined where the kernel cannot be asked.
import * as linux from './linux-constants.ts';
import { type SystemCalls, systemCalls } from './system-calls-socket.ts';

/** `tcpi_min_rtt` of `struct tcp_info`, in µs: the least of the last minutes. */
const leastOffset = 148;
/** What the kernel writes where it has no sample. */
const noSample = 0xffff_ffff;

export function leastRoundTripMs(descriptor: number): number | undefined {
  if (descriptor < 0) return undefined;
  try {
    calls ??= systemCalls();
    const info = calls.getOption(descriptor, linux.SOL_TCP, linux.TCP_INFO, leastOffset + 4);
    if (info.length < leastOffset + 4) return undefined;
    const microseconds = info.readUInt32LE(leastOffset);
    return microseconds === noSample ? undefined : microseconds / 1_000;
  } catch {
    // Another system than Linux, or no TCP.
    return undefined;
  }
}

let calls: SystemCalls | undefined;
