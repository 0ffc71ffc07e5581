// V8's profiles as samples with stacks: the tree of calls that the inspector gives in, what pprof shows out. Pure.
import type { HeapProfiler, Profiler, Runtime } from 'node:inspector';
import type { ProfileSample, StackFrame } from './pprof-codec.ts';

/** Where V8 says that nothing ran. */
const idle = '(idle)';
const root = '(root)';

/** @returns values: how often it was seen, and for how many nanoseconds it ran; time without work is left out */
export function samplesOfCpu({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): readonly ProfileSample[] {
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)));
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const seen = new Map<number, { count: number; microseconds: number }>();
  for (const [index, id] of samples.entries()) {
    const entry = seen.get(id) ?? { count: 0, microseconds: 0 };
    entry.count += 1;
    // What a sample stands for lasts until the next one.
    entry.microseconds += Math.max(0, timeDeltas[index + 1] ?? 0);
    seen.set(id, entry);
  }
  return [...seen].flatMap(([id, { count, microseconds }]) => {
    const stack: StackFrame[] = [];
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
      const frame = byId.get(at)?.callFrame;
      if (frame !== undefined && frame.functionName !== root) stack.push(frameOf(frame));
    }
    return stack[0]?.functionName === idle ? [] : [{ stack, values: [count, microseconds * 1_000] }];
  });
}

/** @returns values: bytes that live */
export function samplesOfHeap({ head }: HeapProfiler.SamplingHeapProfile): readonly ProfileSample[] {
  const samples: ProfileSample[] = [];
  const visit = (
    { callFrame, children, selfSize }: HeapProfiler.SamplingHeapProfileNode,
    callers: readonly StackFrame[],
  ) => {
    const stack = callFrame.functionName === root ? callers : [frameOf(callFrame), ...callers];
    if (selfSize > 0) samples.push({ stack, values: [selfSize] });
    for (const child of children) visit(child, stack);
  };
  visit(head, []);
  return samples;
}

function frameOf({ functionName, url, lineNumber }: Runtime.CallFrame): StackFrame {
  return { functionName: functionName || '(anonymous)', file: url, line: lineNumber + 1 };
}
